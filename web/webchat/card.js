// A card's page works without this script. With it, sending the request twice (a double click, a lost
// answer) is one request, and the name is remembered.

import './embed.js';
import { $ } from '../shared/dom.js';

const form = $('join');
if (form) {
  const key = `hutong.join.${location.pathname}`;
  const make = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('');
  let id = '';
  try {
    id = sessionStorage.getItem(key) || make();
    sessionStorage.setItem(key, id);
    $('name').value ||= localStorage.getItem('hutong.name') || '';
  } catch { id ||= make(); } // storage is forbidden: this page still has its id
  $('join-id').value = id;
  form.addEventListener('submit', (e) => {
    if (form.dataset.sent) { e.preventDefault(); return; }
    form.dataset.sent = '1';
    try { localStorage.setItem('hutong.name', $('name').value); } catch { /* forbidden: not remembered */ }
  });
  addEventListener('pageshow', () => { delete form.dataset.sent; });
}
