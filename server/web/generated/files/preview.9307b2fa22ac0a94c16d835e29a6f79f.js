// Evaluates the document of the form in this browser, by the module that the server runs: it counts its instructions and
// stops by itself. docs/policies.md has what a module exports. Where this does not work, the form is sent to the server.
const maxAnswer = 16384;
const maxReasons = 20;
const maxReason = 500; // bytes
const results = ["compliant", "non_compliant", "exempt", "error"];
const form = document.getElementById("preview");
const resource = document.getElementById("resource");
const shown = document.getElementById("result");
const encoder = new TextEncoder();

let compiled; // the module, once it is there

async function load() {
  const response = await fetch(form.dataset.module);
  if (response.ok) compiled = await WebAssembly.compile(await response.arrayBuffer());
}

const failed = (reason) => ({ result: "error", reasons: [reason] });

// The server's words for what V8 says in others.
const words = {
  "memory access out of bounds": "out of bounds memory access",
  "divide by zero": "integer divide by zero",
  "Maximum call stack size exceeded": "stack overflow",
};

// evaluate starts from a new instance, as the server does.
async function evaluate(text) {
  const { exports } = await WebAssembly.instantiate(compiled, {});
  const fuel = exports["headroom:fuel"];
  const limit = fuel.value;
  const size = () => exports.memory.buffer.byteLength;
  const bytes = encoder.encode(text);
  let packed;
  try {
    const at = exports.alloc(bytes.length) >>> 0;
    if (at + bytes.length > size()) {
      return failed(`The module's alloc(${bytes.length}) returned ${at}, where its memory of ${size()} bytes has no room.`);
    }
    new Uint8Array(exports.memory.buffer).set(bytes, at);
    packed = BigInt.asUintN(64, exports.evaluate(at, bytes.length));
  } catch (error) {
    if (fuel.value < 0n) return failed(`The module was stopped after ${limit} instructions.`);
    return failed(`The module was stopped: ${words[error.message] ?? error.message}.`);
  }
  const at = Number(packed >> 32n);
  const length = Number(packed & 0xffffffffn);
  if (length > maxAnswer) return failed(`The module's answer has ${length} bytes; at most ${maxAnswer} are allowed.`);
  if (at + length > size()) {
    return failed(`The module's answer is at ${at} with ${length} bytes, beyond its memory of ${size()} bytes.`);
  }
  return read(new Uint8Array(exports.memory.buffer, at, length));
}

// read checks the answer of a module as the server does.
function read(bytes) {
  const unusable = (why) => failed(`The module's answer cannot be used: ${why}.`);
  let text, answer;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return unusable("it is not UTF-8");
  }
  try {
    answer = JSON.parse(text);
  } catch {
    answer = undefined;
  }
  const reasons = answer?.reasons ?? [];
  if (typeof answer?.result !== "string" || !Array.isArray(reasons) || !reasons.every((r) => typeof r === "string") ||
    Object.keys(answer).some((name) => name !== "result" && name !== "reasons")) {
    return unusable('it is not {"result": "…", "reasons": ["…"]}');
  }
  if (!results.includes(answer.result)) {
    return unusable(`the result is ${JSON.stringify(answer.result)}, and must be one of ${results.join(", ")}`);
  }
  if (reasons.length > maxReasons) {
    return unusable(`it has ${reasons.length} reasons; at most ${maxReasons} are allowed`);
  }
  const long = reasons.map((r) => encoder.encode(r).length).find((n) => n > maxReason);
  if (long) return unusable(`a reason has ${long} bytes; at most ${maxReason} are allowed`);
  return { result: answer.result, reasons };
}

// show puts a result into the page as text.
function show({ result, reasons }) {
  const line = document.createElement("p");
  const badge = document.createElement("span");
  badge.className = `badge ${result}`;
  badge.textContent = result.replaceAll("_", "-");
  const where = document.createElement("span");
  where.className = "note";
  where.textContent = "evaluated in this browser";
  line.append(badge, " ", where);
  const list = document.createElement("ul");
  for (const reason of reasons) {
    const item = document.createElement("li");
    item.textContent = reason;
    list.append(item);
  }
  shown.replaceChildren(line, list);
}

function isObject(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

form.addEventListener("submit", async (event) => {
  const text = resource.value.trim();
  if (!compiled || !isObject(text)) return; // the server answers
  event.preventDefault();
  show(await evaluate(text));
});

load().then(() => {
  if (compiled) form.dataset.ready = "true";
});
