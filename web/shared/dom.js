// Building the page. Text from people only ever becomes text nodes.

/** h makes an element: h('p', {class: 'x', onclick: f, 'data-id': 1}, 'text', child, …). */
export function h(tag, props, ...kids) {
  const el = document.createElement(tag);
  for (const [k, v] of Object.entries(props || {})) {
    if (v === undefined || v === null || v === false) continue;
    if (k.startsWith('on')) el.addEventListener(k.slice(2), v);
    else el.setAttribute(k, v === true ? '' : v);
  }
  el.append(...kids.flat().filter((kid) => kid !== null && kid !== undefined && kid !== false));
  return el;
}

export const $ = (id) => document.getElementById(id);

const paths = {
  more: 'M6 12h.01M12 12h.01M18 12h.01',
  close: 'M6 6l12 12M18 6L6 18',
  info: 'M12 21a9 9 0 100-18 9 9 0 000 18zM12 11v5M12 8h.01',
  pin: 'M9 4h6l-1 6 4 4H6l4-4zM12 14v6',
  file: 'M6 3h8l5 5v13H6zM14 3v5h5M9 13h7M9 17h5',
  shield: 'M12 3l7 3v5c0 5-3 8-7 10-4-2-7-5-7-10V6zM9 12l2 2 4-4',
  clock: 'M12 4a8 8 0 110 16 8 8 0 010-16zM12 8v4l3 2',
  check: 'M5 12l5 5L20 7',
  checks: 'M1 12l5 5L16 7M12 16l1 1L23 7',
  alert: 'M12 4a8 8 0 110 16 8 8 0 010-16zM12 8v5M12 16h.01',
};

/** icon draws one of the pictures above; it says nothing to a screen reader. */
export function icon(name) {
  const ns = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(ns, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(ns, 'path');
  path.setAttribute('d', paths[name]);
  svg.append(path);
  if (name === 'more') svg.setAttribute('class', 'dots');
  return svg;
}

/** avatar is the first character of a name on one of four colours. */
export function avatar(name, cls = '') {
  const first = [...new Intl.Segmenter().segment((name || '?').trim())][0]?.segment || '?';
  let sum = 0;
  for (const c of name || '') sum = (sum * 31 + c.codePointAt(0)) % 997;
  return h('span', { class: `avatar ${cls}`, 'aria-hidden': 'true', 'data-tone': sum % 4 }, first.toUpperCase());
}
