// Ranges of time, orders of slaves, and the conversion of time into pixels.

const AXIS_HEIGHT = 42;
const MAP_WIDTH = 9;
const SMALLEST_SPAN = 200;
const FULL_PAD = 0.025;

const paletteOf = (node) => {
  const style = getComputedStyle(node);
  const read = (name) => style.getPropertyValue(`--${name}`).trim();
  const names = ['ink', 'ink-soft', 'paper', 'grid', 'stripe', 'band', 'held', 'accent',
    'ok', 'failed', 'lost', 'declined', 'cancelled'];
  return Object.fromEntries(names.map((name) => [name, read(name)]));
};

const rowHeightFor = (count) => {
  if (count <= 12) return 26;
  if (count <= 40) return 19;
  if (count <= 150) return 14;
  return count <= 400 ? 7 : 5;
};

const least = (values, start) => values.reduce((low, value) => Math.min(low, value), start);
const most = (values, start) => values.reduce((high, value) => Math.max(high, value), start);

const hasTimes = (round) => round.slaves.some((slave) => slave.start || isKnown(slave.end_ns));

const padded = ([from, to], share) => {
  const pad = Math.max((to - from) * share, SMALLEST_SPAN / 2);
  return [from - pad, to + pad];
};

const fullRange = (round) => {
  const times = round.slaves.flatMap((slave) => [
    slave.held_ns, slave.end_ns,
    slave.start && slave.start.at_ns - slave.start.uncertainty_ns,
    slave.start && slave.start.at_ns + slave.start.uncertainty_ns,
  ]).concat(round.ordered_ns).filter(isKnown);
  return padded([least(times, Infinity), most(times, -Infinity)], FULL_PAD);
};

const startRange = (round) => {
  const starts = round.slaves.map((slave) => slave.start).filter(isKnown);
  if (starts.length === 0) return null;
  let from = least(starts.map((start) => start.at_ns - start.uncertainty_ns), Infinity);
  const to = most(starts.map((start) => start.at_ns + start.uncertainty_ns), -Infinity);
  const ordered = round.ordered_ns;
  if (isKnown(ordered) && ordered < from && from - ordered < to - from) from = ordered;
  return padded([from, to], 0.12);
};

// The time in which all tasks ran together, which begins at the last start.
const togetherRange = (round) => {
  if (!round.skew || !isKnown(round.skew.together_ns)) return null;
  const last = most(round.slaves.filter((slave) => slave.start).map((slave) => slave.start.at_ns), 0);
  return [last, last + round.skew.together_ns];
};

const orderings = {
  rank: (a, b) => a.rank - b.rank,
  name: (a, b) => COLLATOR.compare(a.name, b.name),
  start: (a, b) => (a.start?.at_ns ?? Infinity) - (b.start?.at_ns ?? Infinity) || a.rank - b.rank,
  elapsed: (a, b) => (b.elapsed_ns ?? -1) - (a.elapsed_ns ?? -1) || a.rank - b.rank,
  notable: (a, b) => Number(b.stands_out) - Number(a.stands_out) || a.rank - b.rank,
};

// Infinity minus Infinity is NaN; such pairs are in the order of their ranks.
const orderSlaves = (slaves, key) => [...slaves].sort((a, b) => orderings[key](a, b) || a.rank - b.rank);

// Maps instants to pixels of one drawing, on screen or on paper.
class Scale {
  constructor(range, left, right) {
    [this.from, this.to] = range;
    this.left = left;
    this.right = right;
  }

  x(ns) {
    const place = this.left + ((ns - this.from) / (this.to - this.from)) * (this.right - this.left);
    return Math.min(Math.max(place, this.left - 40), this.right + 40);
  }

  sees(ns) {
    return ns >= this.from && ns <= this.to;
  }

  at(x) {
    return this.from + ((x - this.left) / (this.right - this.left)) * (this.to - this.from);
  }

  length(ns) {
    return (ns / (this.to - this.from)) * (this.right - this.left);
  }
}
