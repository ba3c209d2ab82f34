// Making and changing elements, and doing so at most once per frame.

// An element with attributes, listeners (`onclick`), and children: elements, texts, lists of them; null is left out.
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...present(children));
  return element;
}

function present(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

export function fill(element, ...children) {
  element.replaceChildren(...present(children));
}

// Change a text only where it differs: what is selected or read aloud stays undisturbed.
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const waiting = new Set();

// Run the function before the next picture, once however often it is asked for. A hidden page draws nothing, and must
// not gather work either: there it runs soon by a timer.
export function soon(work) {
  if (waiting.size === 0) {
    if (document.hidden) setTimeout(run, 250);
    else requestAnimationFrame(run);
  }
  waiting.add(work);
}

function run() {
  const all = [...waiting];
  waiting.clear();
  for (const work of all) work();
}

let counted = 0;

// An id for elements that refer to each other.
export function uid(prefix) {
  counted += 1;
  return `${prefix}-${counted}`;
}
