// In a frame of the company's site: speak to that site only, and only what it needs to know.

import { boot } from '../shared/words.js';

const framed = boot.parent && window.parent !== window;

/** tellParent says something to the site whose frame this is. The gateway has checked its address. */
export function tellParent(what, value) {
  if (framed) window.parent.postMessage({ hutong: what, value }, boot.parent);
}

if (framed) {
  document.body.classList.add('embedded');
  tellParent('ready');
  addEventListener('keydown', (e) => { if (e.key === 'Escape' && !e.defaultPrevented) tellParent('close'); });
  addEventListener('message', (e) => {
    if (e.origin !== boot.parent || e.source !== window.parent || e.data?.hutong !== 'focus') return;
    (document.querySelector('#text:not([hidden])') || document.querySelector('#name'))?.focus();
  });
}
