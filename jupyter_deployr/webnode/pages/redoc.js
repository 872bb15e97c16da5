"use strict";

const DARK = {
  colors: {
    primary: { main: "#79b8ff" },
    success: { main: "#6fdd8b" },
    error: { main: "#ff8f87" },
    text: { primary: "#e6edf3", secondary: "#9da7b3" },
    gray: { 50: "#161b22", 100: "#21262d" },
    border: { dark: "#6e7681", light: "#30363d" },
    responses: {
      success: { color: "#6fdd8b", backgroundColor: "#12261e", tabTextColor: "#6fdd8b" },
      error: { color: "#ff8f87", backgroundColor: "#2d1b1b", tabTextColor: "#ff8f87" },
    },
  },
  schema: { nestedBackground: "#161b22", linesColor: "#6e7681", typeNameColor: "#9da7b3", requireLabelColor: "#ff8f87" },
  typography: { code: { color: "#ffa198", backgroundColor: "#21262d" }, links: { color: "#79b8ff" } },
  sidebar: { backgroundColor: "#161b22", textColor: "#e6edf3", activeTextColor: "#79b8ff" },
  rightPanel: {
    backgroundColor: "#010409",
    servers: { overlay: { backgroundColor: "#161b22", textColor: "#e6edf3" }, url: { backgroundColor: "#0d1117" } },
  },
  codeBlock: { backgroundColor: "#161b22" },
};
const dark = matchMedia("(prefers-color-scheme: dark)");

function show() {
  // The search index needs a worker from a blob, which the content security policy has no room for.
  const options = { disableSearch: true, hideDownloadButton: false, theme: dark.matches ? DARK : {} };
  Redoc.init("openapi.json", options, document.getElementById("redoc"));
}

// Redoc takes its theme once.
dark.addEventListener("change", () => location.reload());
show();
