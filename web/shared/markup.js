// The part of CommonMark that a chat needs, as nodes. parse is pure; render builds elements from it and
// never passes text through HTML.

/** parse gives a list of nodes: {text}, {code}, {pre}, {bold: nodes}, {italic: nodes}, {strike: nodes},
    {link: url, nodes}. */
export function parse(text) {
  const out = [];
  const fence = /^```[^\n`]*\n([\s\S]*?)(?:\n```[ \t]*(?:\n|$)|$(?![\s\S]))/m;
  for (let rest = text; rest;) {
    const m = fence.exec(rest);
    if (!m) { out.push(...inline(rest, 0)); break; }
    if (m.index > 0) out.push(...inline(rest.slice(0, m.index).replace(/\n$/, ''), 0));
    out.push({ pre: m[1] });
    rest = rest.slice(m.index + m[0].length);
  }
  return out;
}

const rules = [
  [/^\\([!-/:-@[-`{-~])/, (m) => ({ text: m[1] })],
  [/^(`+)([^`]|[^`][\s\S]*?[^`])\1(?!`)/, (m) => ({ code: m[2].replace(/^ ([\s\S]*\S[\s\S]*) $/, '$1') })],
  [/^\*\*(?=\S)([\s\S]*?\S)\*\*(?!\*)/, (m, d) => ({ bold: inline(m[1], d) })],
  [/^__(?=\S)([\s\S]*?\S)__(?![\w_])/, (m, d) => ({ bold: inline(m[1], d) }), true],
  [/^~~(?=\S)([\s\S]*?\S)~~/, (m, d) => ({ strike: inline(m[1], d) })],
  [/^\*(?=[^\s*])([^*\n]*?[^\s*])\*(?!\*)/, (m, d) => ({ italic: inline(m[1], d) })],
  [/^_(?=[^\s_])([^_\n]*?[^\s_])_(?!\w)/, (m, d) => ({ italic: inline(m[1], d) }), true],
  [/^\[([^[\]\n]+)\]\(\s*<?(https?:\/\/[^\s<>()]+(?:\([^\s<>()]*\)[^\s<>()]*)*|mailto:[^\s<>()]+)>?\s*\)/, (m, d) => ({ link: m[2], nodes: inline(m[1], d, true) })],
  [/^<(https?:\/\/[^\s<>]+|mailto:[^\s<>]+)>/, (m) => ({ link: m[1], nodes: [{ text: m[1].replace(/^mailto:/, '') }] })],
  [/^https?:\/\/[^\s<>"'`，。；：！？、（）「」『』《》【】]+/, (m) => bare(m), true],
];

// bare leaves out what ends the sentence rather than the address.
function bare(m) {
  let url = m[0].replace(/[.,;:!?*_~]+$/, '');
  while (url.endsWith(')') && (url.match(/\(/g) || []).length < (url.match(/\)/g) || []).length) url = url.slice(0, -1);
  m.taken = url.length;
  return { link: url, nodes: [{ text: url }] };
}

function inline(s, depth, inLink = false) {
  const out = [];
  let plain = '';
  const flush = () => { if (plain) out.push({ text: plain }); plain = ''; };
  for (let i = 0; i < s.length;) {
    const hit = depth < 6 && /[\\`*_~[<h]/.test(s[i]) && match(s, i, depth + 1, inLink);
    if (!hit) { plain += s[i++]; continue; }
    if (hit.node.text !== undefined) plain += hit.node.text;
    else { flush(); out.push(hit.node); }
    i += hit.taken;
  }
  flush();
  return out;
}

function match(s, i, depth, inLink) {
  const rest = s.slice(i, i + 4096); // bounds the work on hostile text
  for (const [pattern, make, wordStart] of rules) {
    if (wordStart && i > 0 && /[\p{L}\p{N}_]/u.test(s[i - 1]) && !/\p{Script=Han}/u.test(s[i - 1])) continue;
    const m = pattern.exec(rest);
    if (!m) continue;
    const node = make(m, depth);
    if (inLink && node.link) continue;
    return { node, taken: m.taken ?? m[0].length };
  }
  return null;
}

/** render builds a fragment of elements. */
export function render(text) {
  const out = document.createDocumentFragment();
  out.append(...parse(text).map(element));
  return out;
}

function element(n) {
  if (n.text !== undefined) return document.createTextNode(n.text);
  if (n.pre !== undefined) {
    const pre = document.createElement('pre');
    const code = document.createElement('code');
    code.textContent = n.pre;
    pre.append(code);
    return pre;
  }
  if (n.code !== undefined) {
    const code = document.createElement('code');
    code.textContent = n.code;
    return code;
  }
  if (n.link !== undefined) return anchor(n);
  const [tag, kids] = n.bold ? ['strong', n.bold] : n.italic ? ['em', n.italic] : ['s', n.strike];
  const el = document.createElement(tag);
  el.append(...kids.map(element));
  return el;
}

function anchor(n) {
  const a = document.createElement('a');
  a.href = n.link; // parse lets only http, https and mailto through
  a.rel = 'noopener noreferrer nofollow';
  a.target = '_blank';
  a.append(...n.nodes.map(element));
  return a;
}

/** plain is the text without signs, for previews. */
export function plain(text) {
  const flat = (nodes) => nodes.map((n) => n.text ?? n.code ?? n.pre ?? flat(n.bold || n.italic || n.strike || n.nodes)).join('');
  return flat(parse(text)).replace(/\s+/g, ' ').trim();
}

/** jumbo reports whether a text is a few emoji and nothing else. */
export const jumbo = (text) => text.length < 40 && /^(?:\p{Extended_Pictographic}[\p{Emoji_Modifier}\ufe0f\u200d]*){1,3}$/u.test(text.trim());
