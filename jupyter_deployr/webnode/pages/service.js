"use strict";

// The page of one version. All that comes from the server is put in as text, never as markup; the token is held in
// this variable only.
(() => {
  const root = location.pathname.replace(/\/docs\/?$/, "");
  const loginUrl = root.replace(/\/api\/[^/]*\/[^/]*$/, "/login");
  const at = (id) => document.getElementById(id);
  let token = null;
  let inputs = [];

  class Refused extends Error {
    constructor(status, body) {
      super(body?.message || `The server answered with status ${status}.`);
      this.status = status;
      this.fields = (body?.fields || "").split(", ").filter(Boolean);
    }
  }

  async function ask(url, options = {}) {
    const headers = { Accept: "application/json" };
    if (options.body !== undefined) headers["Content-Type"] = "application/json";
    if (token) headers.Authorization = `Bearer ${token}`;
    let response;
    try {
      response = await fetch(url, { ...options, headers, credentials: "omit", redirect: "error", cache: "no-store" });
    } catch {
      throw new Error("The server could not be reached.");
    }
    const body = read(await response.text().catch(() => ""));
    if (!response.ok) throw new Refused(response.status, body);
    return body;
  }

  function read(text) {
    try {
      return ExactJson.parse(text);
    } catch {
      return null;
    }
  }

  function tell(error) {
    at("fault").textContent = error ? error.message : "";
    at("fault").hidden = !error;
  }

  function element(tag, text, members = {}) {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    return Object.assign(made, members);
  }

  // ------------------------------------------------------------------------------------------------- signing in

  function signOut(error = null) {
    token = null;
    inputs = [];
    document.title = "Service";
    for (const id of ["name", "version", "description", "console", "outcome"]) at(id).textContent = "";
    for (const holder of [at("fields"), at("files"), at("outputs").tBodies[0]]) holder.replaceChildren();
    at("service").hidden = at("result").hidden = true;
    at("sign-in").hidden = false;
    at("username").focus();
    tell(error);
  }

  async function show() {
    try {
      render(await ask(`${root}/openapi.json`));
    } catch (error) {
      signOut(error);
    }
  }

  at("password-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    tell(null);
    const credentials = { username: at("username").value, password: at("password").value };
    at("password").value = "";
    try {
      token = null;
      token = (await ask(loginUrl, { method: "POST", body: JSON.stringify(credentials) })).access_token;
    } catch (error) {
      tell(error);
      return;
    }
    await show();
  });

  at("token-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    tell(null);
    const pasted = at("token").value.trim().replace(/^Bearer\s+/i, "");
    at("token").value = "";
    if (/[^\x21-\x7e]/.test(pasted)) {
      tell(new Error("This is not an access token."));
      return;
    }
    token = pasted;
    await show();
  });

  at("sign-out").addEventListener("click", () => signOut());

  // --------------------------------------------------------------------------------------------------- the form

  const PLACEHOLDERS = {
    vector: "[1, 2.5, 3]",
    matrix: "[[1, 2], [3, 4]]",
    "data.frame": '{"column": [1, 2], "other": ["a", "b"]}',
  };

  // What any integer must be within, which nobody has to be told.
  const INTEGER_BOUNDS = ["-9223372036854775808", "18446744073709551615"];

  function kindOf(schema) {
    const type = [].concat(schema.type ?? []).find((one) => one !== "null");
    if (type === "array") return [].concat(schema.items?.type ?? []).includes("array") ? "matrix" : "vector";
    return { number: "numeric", integer: "integer", boolean: "logical", string: "character" }[type] ?? "data.frame";
  }

  function control(kind, schema) {
    if (schema.enum || kind === "logical") {
      const select = element("select");
      select.append(element("option", "", { value: "" }));
      for (const choice of schema.enum ?? [true, false]) {
        const written = ExactJson.write(choice);
        select.append(element("option", kind === "character" ? choice : written, { value: written }));
      }
      return select;
    }
    if (kind === "numeric" || kind === "integer") {
      const input = element("input", undefined, { inputMode: kind === "integer" ? "numeric" : "decimal" });
      input.autocomplete = "off";
      return input;
    }
    const area = element("textarea", undefined, { spellcheck: kind === "character" });
    area.placeholder = PLACEHOLDERS[kind] ?? "";
    area.rows = kind === "character" ? 1 : 3;
    return area;
  }

  function written(value, kind, field) {
    if (value === undefined || value === null) return "";
    return kind === "character" && field.tagName !== "SELECT" ? value : ExactJson.write(value);
  }

  function notes(schema, required) {
    const said = [];
    const { minimum, maximum } = schema;
    if (minimum !== undefined && !INTEGER_BOUNDS.includes(`${minimum}`)) said.push(`from ${minimum}`);
    if (maximum !== undefined && !INTEGER_BOUNDS.includes(`${maximum}`)) said.push(`up to ${maximum}`);
    if (schema.default !== undefined) said.push(`${ExactJson.write(schema.default)} if left empty`);
    else if (!required) said.push("optional");
    return said.join(", ");
  }

  function render(documented) {
    const { title, version, description } = documented.info;
    document.title = `${title} ${version}`;
    at("name").textContent = title;
    at("version").textContent = version;
    at("description").textContent = description ?? "";
    const declared = documented.components.schemas.InputParameters;
    const required = declared.required ?? [];
    inputs = Object.entries(declared.properties ?? {}).map(([name, schema], index) => {
      const kind = kindOf(schema);
      const field = control(kind, schema);
      field.id = `input-${index}`;
      field.name = name;
      field.value = written(schema.examples?.[0] ?? schema.default, kind, field);
      const label = element("label", `${name} `, { htmlFor: field.id });
      label.append(element("span", kind, { className: "type" }));
      const parts = [label];
      const said = [schema.description === kind ? "" : schema.description, notes(schema, required.includes(name))];
      for (const text of said.filter(Boolean)) parts.push(element("span", text, { className: "note" }));
      at("fields").append(...parts, field);
      return { name, kind, field, optional: !required.includes(name) };
    });
    if (!inputs.length) at("fields").append(element("p", "The service takes no inputs.", { className: "note" }));
    at("sign-in").hidden = true;
    at("service").hidden = false;
    (inputs[0]?.field ?? at("run")).focus();
  }

  // The value as JSON, in the digits that were typed: a number of JavaScript's might be another one.
  function valueOf({ name, kind, field }) {
    const text = field.value;
    if (kind === "character" && field.tagName !== "SELECT") return JSON.stringify(text);
    if (text.trim() === "") throw new Error(`${name}: a value is missing.`);
    try {
      JSON.parse(text);
      return text;
    } catch {
      const expected = kind === "numeric" || kind === "integer" ? "a number" : `JSON such as ${PLACEHOLDERS[kind]}`;
      throw new Error(`${name}: ${expected} is expected.`);
    }
  }

  function collect() {
    const members = [];
    const faults = [];
    for (const input of inputs) {
      input.field.removeAttribute("aria-invalid");
      if (input.field.value === "" && (input.optional || input.field.tagName === "SELECT")) {
        if (!input.optional) {
          input.field.setAttribute("aria-invalid", "true");
          faults.push(`${input.name}: a value is missing.`);
        }
        continue;
      }
      try {
        members.push(`${JSON.stringify(input.name)}: ${valueOf(input)}`);
      } catch (error) {
        input.field.setAttribute("aria-invalid", "true");
        faults.push(error.message);
      }
    }
    if (faults.length) throw new Error(faults.join("\n"));
    return `{${members.join(", ")}}`;
  }

  // ------------------------------------------------------------------------------------------------- the result

  function base64(text) {
    return Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  }

  function save(name, content, type) {
    const url = URL.createObjectURL(new Blob([content], { type }));
    element("a", undefined, { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  }

  function fileEntry([name, content]) {
    const entry = element("li");
    if (content === null) {
      entry.textContent = `${name}: not written`;
      return entry;
    }
    const button = element("button", name, { type: "button", className: "link" });
    button.addEventListener("click", () => save(name, base64(content), "application/octet-stream"));
    entry.append(button);
    return entry;
  }

  function outputRow([name, value]) {
    const row = element("tr");
    const cell = element("td");
    const flat = ExactJson.write(value);
    cell.append(element("pre", flat.length > 80 && !Array.isArray(value) ? ExactJson.write(value, 2) : flat));
    row.append(element("th", name, { scope: "row" }), cell);
    return row;
  }

  function fill(result) {
    at("outcome").textContent = result.success ? "The service ran." : result.errorMessage || "The service failed.";
    at("outcome").className = result.success ? "good" : "fault";
    const outputs = Object.entries(result.outputParameters ?? {});
    at("outputs").tBodies[0].replaceChildren(...outputs.map(outputRow));
    at("outputs").hidden = !outputs.length;
    const files = Object.entries(result.outputFiles ?? {});
    at("files").replaceChildren(...files.map(fileEntry));
    at("files-part").hidden = !files.length;
    at("console").textContent = result.consoleOutput ?? "";
    at("console-part").hidden = !result.consoleOutput;
    at("result").hidden = false;
  }

  function failed(error) {
    if (error instanceof Refused && error.status === 401) {
      signOut(error);
      return;
    }
    for (const input of inputs) {
      if (error.fields?.includes(input.name)) input.field.setAttribute("aria-invalid", "true");
    }
    tell(error);
  }

  at("inputs").addEventListener("submit", async (event) => {
    event.preventDefault();
    tell(null);
    at("result").hidden = true;
    at("run").disabled = true;
    try {
      fill(await ask(root, { method: "POST", body: collect() }));
    } catch (error) {
      failed(error);
    } finally {
      at("run").disabled = false;
    }
  });

  for (const button of document.querySelectorAll("[data-document]")) {
    button.addEventListener("click", async () => {
      const name = button.dataset.document;
      try {
        save(name, ExactJson.write(await ask(`${root}/${name}`), 2), "application/json");
      } catch (error) {
        failed(error);
      }
    });
  }

  signOut();
})();
