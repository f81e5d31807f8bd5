// A page as a function of its state: views return descriptions (h), render makes the document equal to them.
// Values only ever become text nodes and attributes, never markup, so nothing a model or a user says can run.
// Nodes are kept where they are: focus, selection, scroll and open <details> survive an update.

const SVG = "http://www.w3.org/2000/svg";
const EMPTY = Object.freeze({});

export function h(tag, props, ...children) {
  const wanted = children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false && child !== "");
  return { tag, props: props ?? EMPTY, key: props?.key, children: wanted };
}

export function render(parent, ...children) {
  patch(parent, h("", null, ...children).children);
}

function patch(parent, wanted) {
  const keyed = new Map();
  const keys = new Set(wanted.map((child) => child.key).filter((key) => key !== undefined));
  for (const node of [...parent.childNodes]) {
    if (node.key === undefined) continue;
    if (keys.has(node.key)) keyed.set(node.key, node);
    else node.remove();
  }
  let cursor = parent.firstChild;
  for (const child of wanted) {
    let node = child.key === undefined ? cursor : keyed.get(child.key);
    if (!fits(node, child)) node = create(parent, child);
    else while (cursor !== node && cursor && cursor.key === undefined) cursor = drop(cursor);
    if (node === cursor) cursor = cursor.nextSibling;
    else parent.insertBefore(node, cursor);
    update(node, child);
  }
  while (cursor) cursor = drop(cursor);
}

function drop(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

function fits(node, child) {
  if (!node || node.key !== child.key) return false;
  return child.tag ? node.localName === child.tag : node.nodeType === Node.TEXT_NODE;
}

function create(parent, child) {
  if (!child.tag) return document.createTextNode("");
  const space = child.tag === "svg" || parent.namespaceURI === SVG ? SVG : parent.namespaceURI;
  const node = document.createElementNS(space, child.tag);
  node.key = child.key;
  return node;
}

function update(node, child) {
  if (!child.tag) {
    const text = String(child);
    if (node.data !== text) node.data = text;
    return;
  }
  const before = node.props ?? EMPTY;
  node.props = child.props;
  for (const name in before) if (!(name in child.props)) set(node, name, null);
  for (const name in child.props) if (child.props[name] !== before[name]) set(node, name, child.props[name]);
  patch(node, child.children);
}

function set(node, name, value) {
  if (name === "key") return;
  if (name.startsWith("on")) node[name] = value;
  else if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else node.setAttribute(name, value === true ? "" : value);
}
