// Asking the gateway, and telling it.

import { boot } from './words.js';

/** Trouble is an answer that is not yes. code: signed_out, refused, not_found, too_large, too_many,
    unavailable, offline. again says whether the same request may work later, wait when (ms). */
export class Trouble extends Error {
  constructor(code, text, wait) {
    super(text || code);
    this.code = code;
    this.text = text || '';
    this.wait = wait || 0;
  }
  get again() { return ['unavailable', 'too_many', 'offline'].includes(this.code); }
}

async function ask(path, options) {
  let res;
  try {
    res = await fetch(boot.base + path, { credentials: 'same-origin', cache: 'no-store', ...options });
  } catch {
    throw new Trouble('offline');
  }
  if (res.status === 204) return null;
  let body = {};
  try { body = await res.json(); } catch { if (res.ok) throw new Trouble('offline'); }
  if (res.ok) return body;
  const code = body.error || (res.status === 403 ? 'refused' : 'unavailable');
  throw new Trouble(code, body.text, Number(res.headers.get('Retry-After') || 0) * 1000);
}

export const get = (name, params = {}) => ask(`/api/${name}?${new URLSearchParams(params)}`);

export const post = (name, body) => ask(`/api/${name}`, {
  method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
});

export const upload = (file) => ask(`/api/upload?${new URLSearchParams({ name: file.name })}`, {
  method: 'POST', headers: { 'Content-Type': file.type || 'application/octet-stream' }, body: file,
});

export const fileURL = (room, id, i, save) =>
  `${boot.base}/api/file?${new URLSearchParams({ room, id, i, ...(save ? { save: 1 } : {}) })}`;

const letters = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** ulid names a message: 10 letters of time, 16 of chance. A post that is made again keeps its name. */
export function ulid(now = Date.now()) {
  let head = '';
  for (let i = 0, n = now; i < 10; i++, n = Math.floor(n / 32)) head = letters[n % 32] + head;
  return head + Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => letters[b % 32]).join('');
}

/** later compares ids of lines: they grow with time. '' is before all. */
export const later = (a, b) => (a.length === b.length ? a > b : a.length > b.length);
