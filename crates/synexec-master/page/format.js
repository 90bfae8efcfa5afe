// Durations, dates, counts, untrusted text and HTML elements, as the report writes them.
'use strict';

// This comes before all other code, so that a test sees every failure.
window.synexecErrors = [];
window.onerror = (message) => { window.synexecErrors.push(String(message)); };
window.addEventListener('unhandledrejection', (event) => {
  window.synexecErrors.push(String(event.reason));
});

const NBSP = '\u00a0';
const MINUS = '\u2212';
const UNKNOWN = '\u2013';
const SECOND = 1e9;
const MINUTE = 60 * SECOND;
const LONG = 10 * MINUTE;
const UNITS = [
  { name: 's', size: SECOND, decimals: 3 },
  { name: 'ms', size: 1e6, decimals: 2 },
  { name: 'µs', size: 1e3, decimals: 1 },
  { name: 'ns', size: 1, decimals: 0 },
];

const isKnown = (value) => value !== null && value !== undefined;

const unitFor = (ns) =>
  UNITS.find((unit) => Math.abs(ns) >= unit.size) ?? UNITS[UNITS.length - 1];

const decimalText = (value, decimals) => {
  const text = Math.abs(value).toFixed(decimals);
  return value < 0 && Number(text) !== 0 ? MINUS + text : text;
};

const twoDigits = (value) => String(value).padStart(2, '0');

const longDuration = (ns) => {
  const tenths = Math.round(Math.abs(ns) / 1e8);
  const hours = Math.floor(tenths / 36000);
  const minutes = Math.floor(tenths / 600) % 60;
  const seconds = ((tenths % 600) / 10).toFixed(1).padStart(4, '0');
  const sign = ns < 0 ? MINUS : '';
  if (hours === 0) return `${sign}${minutes}${NBSP}min${NBSP}${seconds}${NBSP}s`;
  return `${sign}${hours}${NBSP}h${NBSP}${twoDigits(minutes)}${NBSP}min${NBSP}${seconds}${NBSP}s`;
};

const formatDuration = (ns) => {
  if (!isKnown(ns)) return UNKNOWN;
  if (ns === 0) return `0${NBSP}s`;
  if (Math.abs(ns) >= LONG) return longDuration(ns);
  const unit = unitFor(ns);
  return decimalText(ns / unit.size, unit.decimals) + NBSP + unit.name;
};

// A value and its uncertainty have the same unit, so that a reader can compare them.
const formatWithUncertainty = (ns, uncertainty) => {
  const largest = Math.max(Math.abs(ns), uncertainty);
  if (largest >= LONG) return `${formatDuration(ns)}${NBSP}±${NBSP}${formatDuration(uncertainty)}`;
  const unit = unitFor(largest);
  const write = (value) => decimalText(value / unit.size, unit.decimals);
  return `${write(ns)}${NBSP}±${NBSP}${write(uncertainty)}${NBSP}${unit.name}`;
};

const formatBytes = (bytes) => {
  if (!isKnown(bytes)) return UNKNOWN;
  const names = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let size = bytes;
  let step = 0;
  while (size >= 1024 && step < names.length - 1) {
    size /= 1024;
    step += 1;
  }
  return size.toFixed(step === 0 ? 0 : 1) + NBSP + names[step];
};

const formatCount = (count) =>
  isKnown(count) ? String(count).replace(/\B(?=(\d{3})+$)/g, '\u202f') : UNKNOWN;

const plural = (count, one, many = `${one}s`) => `${formatCount(count)}${NBSP}${count === 1 ? one : many}`;

const RFC3339 = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;

const formatTime = (text, digits = 9) => {
  if (!isKnown(text)) return UNKNOWN;
  const parts = RFC3339.exec(text);
  if (!parts) return text;
  const [, day, clock, fraction = '', zone] = parts;
  const cut = digits === 0 ? '' : fraction.slice(0, digits + 1);
  return `${day} ${clock}${cut}${NBSP}${zone.toUpperCase() === 'Z' ? 'UTC' : zone}`;
};

// Steps of ticks: 1, 2 and 5 in each decade below a minute; above, the steps of a clock.
const CLOCK_STEPS = [10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400]
  .map((seconds) => seconds * SECOND);

const decadeStep = (rough) => {
  const decade = 10 ** Math.floor(Math.log10(rough));
  return decade * ([1, 2, 5].find((factor) => factor * decade >= rough * 0.999) ?? 10);
};

const durationStep = (span, count) => {
  const rough = Math.max(span / Math.max(count, 1), 1);
  if (rough <= 5 * SECOND) return decadeStep(rough);
  return CLOCK_STEPS.find((step) => step >= rough) ?? 86400 * SECOND * decadeStep(rough / (86400 * SECOND));
};

const clockLabel = (ns) => {
  const sign = ns < 0 ? MINUS : '';
  const minutes = Math.round(Math.abs(ns) / MINUTE);
  if (minutes < 60) return `${sign}${minutes}${NBSP}min`;
  return `${sign}${Math.floor(minutes / 60)}:${twoDigits(minutes % 60)}${NBSP}h`;
};

const labelWriter = (step, largest) => {
  if (step >= MINUTE) return clockLabel;
  const unit = unitFor(largest);
  const decimals = Math.max(0, Math.ceil(Math.log10(unit.size / step) - 1e-6));
  return (ns) => (ns === 0 ? '0' : decimalText(ns / unit.size, decimals) + NBSP + unit.name);
};

// At high zoom far from zero, labels would differ only in the last of many digits.
// Labels then count from a round base, which the axis shows once.
const axisTicks = (from, to, count) => {
  const step = durationStep(to - from, count);
  const largest = Math.max(Math.abs(from), Math.abs(to));
  const base = largest / step > 20000 ? Math.floor(from / (step * 100)) * step * 100 : 0;
  const write = labelWriter(step, base === 0 ? largest : to - base);
  const ticks = [];
  for (let index = Math.ceil((from - base) / step); base + index * step <= to; index += 1) {
    const label = (base === 0 || index < 0 ? '' : '+') + write(index * step);
    ticks.push({ at: base + index * step, label });
  }
  return { base, step, ticks };
};

const baseLabel = (base) => {
  const decimals = Math.min(9, Math.max(0, 9 - Math.floor(Math.log10(decimalTail(base)))));
  return decimalText(base / SECOND, decimals) + NBSP + 's';
};

// The largest power of ten that divides the number.
const decimalTail = (ns) => {
  let tail = 1;
  while (tail < 1e9 && Math.round(ns) % (tail * 10) === 0) tail *= 10;
  return tail;
};

// Characters of untrusted text that control its layout, are invisible or have no meaning become visible, so that they
// have no effect. The last three of the expression are symbols without a glyph.
const visibleText = (text) => String(text)
  .replaceAll('\r\n', '\n')
  .replace(/(?![\t\n])[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800\ufffc\u{1d159}]/gu, (c) => {
    const code = c.codePointAt(0).toString(16);
    if (code.length > 4) return `\\u{${code}}`;
    return code.length > 2 ? `\\u${code.padStart(4, '0')}` : `\\x${code.padStart(2, '0')}`;
  });

// The master's sentences have plain spaces. A line break must part neither a number from its unit, nor a value from its
// uncertainty.
const keepUnits = (text) => visibleText(text)
  .replace(/(\d) (?=(?:ns|µs|ms|s|min|h|B|KiB|MiB|GiB|TiB)\b)/g, `$1${NBSP}`)
  .replace(/ ± /g, `${NBSP}±${NBSP}`);

const LABEL_MAX = 18;

// Cuts a name at its front, because the names of guests mostly differ at their ends.
const cutFront = (name, length) => (name.length > length ? `\u2026${name.slice(1 - length)}` : name);

// Names for labels. The domain that all names share is left out.
const labelsOf = (slaves) => {
  const domains = new Set(slaves.map(({ name }) => (name.includes('.') ? name.slice(name.indexOf('.')) : '')));
  const [domain] = domains;
  const shared = domains.size === 1 && slaves.length > 1 && slaves.every(({ name }) => name.length > domain.length) ? domain.length : 0;
  return slaves.map(({ name }) => visibleText(name.slice(0, name.length - shared)));
};

const COLLATOR = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

const setAttributes = (node, attributes) => {
  for (const [key, value] of Object.entries(attributes)) {
    if (!isKnown(value) || value === false) continue;
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? '' : value);
  }
};

const addChildren = (node, children) => {
  for (const child of children) {
    if (child instanceof Node) node.appendChild(child);
    else if (isKnown(child)) node.appendChild(document.createTextNode(visibleText(child)));
  }
  return node;
};

const el = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  setAttributes(node, attributes);
  return addChildren(node, children);
};

const svgEl = (tag, attributes = {}, ...children) => {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  setAttributes(node, attributes);
  return addChildren(node, children);
};

const byId = (id) => document.getElementById(id);

// The five looks of an outcome. Each look has a colour and a shape.
const LOOKS = {
  ok: 'succeeded',
  failed: 'failed',
  lost: 'lost',
  declined: 'declined',
  cancelled: 'cancelled',
};

const lookOf = (slave) => {
  const { kind, succeeded } = slave.outcome;
  if (succeeded) return 'ok';
  return Object.hasOwn(LOOKS, kind) ? kind : 'failed';
};

const MARK_PATHS = {
  ok: 'M6 2.2a3.8 3.8 0 1 0 .01 0z',
  failed: 'M2.5 2.5l7 7M9.5 2.5l-7 7',
  lost: 'M6 1.5l4.5 4.5l-4.5 4.5l-4.5 -4.5z',
  declined: 'M2.5 2.5h7v7h-7zM2.5 9.5l7 -7',
  cancelled: 'M2 6h8',
};

const markIcon = (look) => svgEl('svg', { class: `mark mark-${look}`, viewBox: '0 0 12 12', 'aria-hidden': 'true' },
  svgEl('path', { d: MARK_PATHS[look] }));

class Tooltip {
  constructor(node) {
    this.node = node;
  }

  show(x, y, children) {
    this.node.replaceChildren(...children);
    this.node.hidden = false;
    const { offsetWidth: width, offsetHeight: height } = this.node;
    const left = x + 16 + width > window.innerWidth ? x - width - 12 : x + 16;
    const top = Math.min(y + 14, window.innerHeight - height - 8);
    this.node.style.left = `${Math.max(4, left)}px`;
    this.node.style.top = `${Math.max(4, top)}px`;
  }

  hide() {
    this.node.hidden = true;
  }
}

const startText = (slave) => (slave.start
  ? formatWithUncertainty(slave.start.at_ns, slave.start.uncertainty_ns) : UNKNOWN);

const tooltipFor = (slave) => {
  const rows = [
    ['rank', String(slave.rank)],
    ['held since', isKnown(slave.held_ns) ? formatDuration(slave.held_ns) : null],
    ['start', slave.start ? startText(slave) : 'not measured'],
    ['end', isKnown(slave.end_ns) ? formatDuration(slave.end_ns) : null],
    ['elapsed', isKnown(slave.elapsed_ns) ? formatDuration(slave.elapsed_ns) : null],
  ].filter(([, value]) => value !== null);
  const list = el('dl', {}, ...rows.flatMap(([name, value]) => [el('dt', {}, name), el('dd', {}, value)]));
  const head = el('p', { class: 'tooltip-head' }, markIcon(lookOf(slave)), el('b', {}, slave.name), ` ${keepUnits(slave.outcome.text)}`);
  return [head, list, ...slave.remarks.slice(0, 3).map((remark) => el('p', { class: 'tooltip-remark' }, keepUnits(remark)))];
};
