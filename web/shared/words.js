// What the page was started with, and how it says things in its language.

export const boot = JSON.parse(document.getElementById('boot')?.textContent || 'null') || { words: {} };

/** t is a text in the page's language; %s in it takes the arguments. */
export function t(key, ...args) {
  let i = 0;
  return (boot.words[key] ?? key).replace(/%[sd]/g, () => String(args[i++] ?? ''));
}

const locale = boot.lang === 'zh' ? 'zh-CN' : 'en-GB';
const clock = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit' });
const date = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'long', weekday: 'short' });
const full = new Intl.DateTimeFormat(locale, { dateStyle: 'long', timeStyle: 'short' });
const short = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'numeric' });

export const time = (ms) => clock.format(ms);
export const moment = (ms) => full.format(ms);
export const dayKey = (ms) => new Date(ms).toDateString();

/** day is how a day is headed. */
export function day(ms, now = Date.now()) {
  if (dayKey(ms) === dayKey(now)) return t('today');
  if (dayKey(ms) === dayKey(now - 86400000)) return t('yesterday');
  return date.format(ms);
}

/** when is as short as a list needs. */
export const when = (ms) => (dayKey(ms) === dayKey(Date.now()) ? time(ms) : short.format(ms));

/** size is a number of bytes for people. */
export function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1048576) return `${Math.round(bytes / 1024)} KB`;
  return `${(bytes / 1048576).toFixed(1).replace('.0', '')} MB`;
}
