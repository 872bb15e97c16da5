"use strict";

// JSON whose numbers stay what they are: JavaScript's own are doubles, so 9007199254740993 would become …992 and 5.0
// become 5. A number that would be written otherwise is read as an ExactNumber, which is written as it was.
const ExactJson = (() => {
  class ExactNumber {
    constructor(text) {
      this.text = text;
    }

    toString() {
      return this.text;
    }
  }

  const TOKEN = /"[^"\\]*(?:\\[^][^"\\]*)*"|-?\d[\d.eE+-]*/g;

  // Begins the strings that stand for numbers on their way through the browser's own functions. Nobody else can know
  // it beforehand, so no string of the data begins with it.
  function newMark() {
    return Array.from(crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(36)).join("-");
  }

  // Raises SyntaxError, as JSON.parse does.
  function parse(text) {
    const mark = newMark();
    const isNumber = (token) => token[0] !== '"';
    const marked = text.replace(TOKEN, (token) =>
      isNumber(token) && String(JSON.parse(token)) !== token ? `"${mark}${token}"` : token,
    );
    return JSON.parse(marked, (_, value) =>
      typeof value === "string" && value.startsWith(mark) ? new ExactNumber(value.slice(mark.length)) : value,
    );
  }

  function write(value, indent) {
    const mark = newMark();
    const marked = JSON.stringify(
      value,
      (_, part) => (part instanceof ExactNumber ? `${mark}${part.text}` : part),
      indent,
    );
    return marked.replaceAll(new RegExp(`"${mark}([^"]*)"`, "g"), "$1");
  }

  return { parse, write };
})();
