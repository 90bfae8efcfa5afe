// Two charts in SVG: the starts with their uncertainty, and the elapsed times of the tasks.

const CHART_HEIGHT = 270;
const MARGIN = { top: 20, right: 28, bottom: 40, left: 66 };

// Height of a line of text, and space between two texts.
const LINE = 13;
const GAP = 8;

// `more` widens the margins for names and labels. Names at the bottom make the chart higher, and not its plot smaller.
const chartFrame = (host, label, more = {}) => {
  const width = Math.max(300, Math.round(host.clientWidth || 600));
  const height = CHART_HEIGHT + (more.bottom ?? 0);
  const svg = svgEl('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': label });
  const frame = {
    svg, width, height,
    left: more.left ?? MARGIN.left, right: width - (more.right ?? MARGIN.right),
    top: MARGIN.top, bottom: CHART_HEIGHT - MARGIN.bottom,
  };
  host.replaceChildren(svg);
  return frame;
};

const measuring = document.createElement('canvas').getContext('2d');

const textWidth = (text) => {
  measuring.font = `11px ${getComputedStyle(document.body).fontFamily}`;
  return measuring.measureText(text).width;
};

const linear = (fromValue, toValue, fromPixel, toPixel) => (value) =>
  fromPixel + ((value - fromValue) / (toValue - fromValue)) * (toPixel - fromPixel);

const fixed = (value) => value.toFixed(1);

const chartText = (text, x, y, anchor = 'middle', kind = 'tick') =>
  svgEl('text', { x: fixed(x), y: fixed(y), 'text-anchor': anchor, class: `chart-${kind}` }, text);

const chartLine = (x1, y1, x2, y2, kind) =>
  svgEl('line', { x1: fixed(x1), y1: fixed(y1), x2: fixed(x2), y2: fixed(y2), class: `chart-${kind}` });

const durationAxisLeft = (frame, from, to, y) => {
  for (const tick of axisTicks(from, to, 6).ticks) {
    frame.svg.append(chartLine(frame.left, y(tick.at), frame.right, y(tick.at), 'grid'));
    frame.svg.append(chartText(tick.label, frame.left - 8, y(tick.at) + 4, 'end'));
  }
};

const durationAxisBottom = (frame, from, to, x) => {
  const axis = axisTicks(from, to, (frame.right - frame.left) / 85);
  for (const tick of axis.ticks) {
    frame.svg.append(chartLine(x(tick.at), frame.bottom, x(tick.at), frame.bottom + 4, 'axis'));
    const half = textWidth(tick.label) / 2;
    frame.svg.append(chartText(tick.label, Math.min(x(tick.at), frame.width - half - 1), frame.bottom + 17));
  }
  const since = axis.base === 0 ? '' : ` (beyond ${baseLabel(axis.base)})`;
  bottomTitle(frame, `elapsed${since}`);
};

const bottomTitle = (frame, title) =>
  frame.svg.append(chartText(title, (frame.left + frame.right) / 2, frame.height - 5, 'middle', 'title'));

const sayInstead = (host, words) => host.replaceChildren(el('p', { class: 'empty' }, words));

// All whiskers are one path, and so are all dots of a look: a thousand slaves need only a few elements.
const startPaths = (slaves, x, y, small) => {
  const cap = small ? 0 : 3;
  const paths = {};
  let whiskers = '';
  slaves.forEach((slave, index) => {
    const { at_ns: at, uncertainty_ns: uncertainty } = slave.start;
    const [px, top, bottom] = [x(index), y(at + uncertainty), y(at - uncertainty)];
    whiskers += `M${fixed(px)} ${fixed(top)}V${fixed(bottom)}`;
    if (cap) whiskers += `M${fixed(px - cap)} ${fixed(top)}h${2 * cap}M${fixed(px - cap)} ${fixed(bottom)}h${2 * cap}`;
    const look = lookOf(slave);
    const kind = look === 'ok' && slave.stands_out ? 'ok notable' : look;
    paths[kind] = (paths[kind] ?? '') + dotPath(look, px, y(at));
  });
  return { whiskers, paths };
};

const dotPath = (look, x, y) => {
  const [px, py] = [fixed(x), fixed(y)];
  if (look === 'ok') return `M${px} ${py}h0`;
  if (look === 'lost') return `M${px} ${fixed(y - 5)}l5 5l-5 5l-5 -5z`;
  return `M${fixed(x - 4)} ${fixed(y - 4)}l8 8M${fixed(x + 4)} ${fixed(y - 4)}l-8 8`;
};

const skewDomain = (slaves, round, asked) => {
  const starts = slaves.map((slave) => slave.start);
  let low = least(starts.map((start) => start.at_ns - start.uncertainty_ns), 0);
  let high = most(starts.map((start) => start.at_ns + start.uncertainty_ns), 0);
  const span = Math.max(high - low, 10);
  if (isKnown(round.ordered_ns) && round.ordered_ns < low && low - round.ordered_ns < span) low = round.ordered_ns;
  if (isKnown(asked.max_skew_ns) && asked.max_skew_ns < high + span) high = Math.max(high, asked.max_skew_ns);
  return padded([low, high], 0.05);
};

// How the names of the slaves fit below the axis: side by side, upright, or not at all.
const nameLayout = (slaves, room) => {
  const names = labelsOf(slaves).map((name) => cutFront(name, LABEL_MAX));
  const widest = most(names.map(textWidth), 0);
  if (widest + GAP <= room) return { names, upright: false, more: 0 };
  if (room >= LINE) return { names, upright: true, more: Math.ceil(widest) - LINE + 4 };
  return { names: null, upright: false, more: 0 };
};

const slaveAxis = (frame, slaves, x, order, { names, upright }) => {
  const step = Math.max(1, decadeStep(Math.max(1, (slaves.length * 45) / (frame.right - frame.left))));
  // Ranks begin at 0, and places at 1.
  const isTick = (place) => place % step === 0 || (place === 1 && step > 2 && order !== 'rank');
  slaves.forEach((slave, index) => {
    const place = order === 'rank' ? slave.rank : index + 1;
    if (names) frame.svg.append(nameText(names[index], x(index), frame.bottom, upright));
    else if (isTick(place)) frame.svg.append(chartText(place, x(index), frame.bottom + 17));
  });
  bottomTitle(frame, SLAVE_ORDERS[order]);
};

const SLAVE_ORDERS = {
  rank: 'slaves by rank',
  name: 'slaves by name',
  start: 'slaves in the order of their starts',
};

const nameText = (name, x, bottom, upright) => {
  if (!upright) return chartText(name, x, bottom + 17);
  const text = chartText(name, 0, 0, 'end');
  text.setAttribute('transform', `translate(${fixed(x + 4)} ${bottom + 6}) rotate(-90)`);
  return text;
};

// The instants that get a line of their own in the skew chart.
const skewInstants = (round, asked, [low, high]) => [
  { at: 0, text: 'first start', kind: 'zero' },
  { at: round.ordered_ns, text: 'ordered start', kind: 'limit' },
  { at: asked.max_skew_ns, text: 'allowed skew', kind: 'limit' },
].filter(({ at }) => isKnown(at) && at >= low && at <= high);

// The labels are beside the plot, where nothing else is drawn, in the order of their lines and one below the other.
const drawInstants = (frame, instants, y) => {
  let free = frame.top - 6;
  const labels = [...instants].sort((a, b) => b.at - a.at)
    .map((instant) => ({ ...instant, place: free = Math.max(y(instant.at) + 4, free + LINE) }));
  // Labels that were moved down below the plot move up again.
  let end = frame.bottom + LINE;
  for (const label of labels.reverse()) {
    label.place = Math.min(label.place, end - LINE);
    end = label.place;
  }
  for (const { at, text, kind, place } of labels) {
    frame.svg.append(chartLine(frame.left, y(at), frame.right, y(at), kind));
    frame.svg.append(chartText(text, frame.right + GAP, place, 'start', 'label'));
  }
};

const drawSkewChart = (host, round, asked, order, tooltip) => {
  const known = orderSlaves(round.slaves.filter((slave) => slave.start), order);
  if (known.length < 2) {
    sayInstead(host, known.length === 0 ? 'No start was measured in this round, so the skew is unknown.'
      : 'Only one start was measured in this round, and one start alone has no skew.');
    return;
  }
  const domain = skewDomain(known, round, asked);
  const instants = skewInstants(round, asked, domain);
  const right = Math.ceil(most(instants.map(({ text }) => textWidth(text)), 0)) + 2 * GAP;
  const room = (Math.max(300, host.clientWidth || 600) - MARGIN.left - right) / known.length;
  const layout = nameLayout(known, room);
  const frame = chartFrame(host, skewWords(round), { right, bottom: layout.more });
  const y = linear(...domain, frame.bottom, frame.top);
  const x = linear(-0.5, known.length - 0.5, frame.left, frame.right);
  durationAxisLeft(frame, ...domain, y);
  drawInstants(frame, instants, y);
  const { whiskers, paths } = startPaths(known, x, y, known.length > 80);
  frame.svg.append(svgEl('path', { d: whiskers, class: `chart-whisker${known.length > 300 ? ' faint' : ''}` }));
  for (const [look, d] of Object.entries(paths)) {
    frame.svg.append(svgEl('path', { d, class: `dot dot-${look}${known.length > 300 && look === 'ok' ? ' small' : ''}` }));
  }
  slaveAxis(frame, known, x, order, layout);
  hoverSlaves(frame, known, tooltip);
};

const hoverSlaves = (frame, slaves, tooltip) => {
  const guide = chartLine(0, frame.top, 0, frame.bottom, 'guide');
  guide.setAttribute('visibility', 'hidden');
  frame.svg.append(guide);
  frame.svg.addEventListener('pointermove', (event) => {
    const box = frame.svg.getBoundingClientRect();
    const place = (event.clientX - box.left) * (frame.width / box.width);
    const index = Math.floor(((place - frame.left) / (frame.right - frame.left)) * slaves.length);
    if (index < 0 || index >= slaves.length) return;
    const x = frame.left + ((index + 0.5) / slaves.length) * (frame.right - frame.left);
    guide.setAttribute('x1', x);
    guide.setAttribute('x2', x);
    guide.setAttribute('visibility', 'visible');
    tooltip.show(event.clientX, event.clientY, tooltipFor(slaves[index]));
  });
  frame.svg.addEventListener('pointerleave', () => {
    guide.setAttribute('visibility', 'hidden');
    tooltip.hide();
  });
};

const skewWords = (round) => {
  const known = round.slaves.filter((slave) => slave.start);
  if (known.length < 2) return '';
  const last = known.reduce((a, b) => (b.start.at_ns > a.start.at_ns ? b : a));
  const vague = known.reduce((a, b) => (b.start.uncertainty_ns > a.start.uncertainty_ns ? b : a));
  const missing = round.slaves.length - known.length;
  const parts = [`Last start: ${last.name}, ${startText(last)} after the first start.`,
    `Largest uncertainty: ${vague.name}, ±${NBSP}${formatDuration(vague.start.uncertainty_ns)}.`];
  if (missing > 0) parts.push(`No start was measured for ${plural(missing, 'slave')}.`);
  return parts.join(' ');
};

const quantile = (sorted, share) => {
  const place = (sorted.length - 1) * share;
  const below = Math.floor(place);
  return sorted[below] + ((sorted[below + 1] ?? sorted[below]) - sorted[below]) * (place - below);
};

// Bins by the rule of Freedman and Diaconis, rounded to a convenient step.
const binsFor = (sorted) => {
  const [low, high] = [sorted[0], sorted[sorted.length - 1]];
  const spread = quantile(sorted, 0.75) - quantile(sorted, 0.25);
  const ideal = (2 * spread) / Math.cbrt(sorted.length);
  const span = Math.max(high > low ? high - low : high * 0.02, 10);
  const width = durationStep(Math.min(Math.max(ideal, span / 40), span / 5), 1);
  const needed = Math.floor(high / width) - Math.floor(low / width) + 1;
  const spare = Math.max(0, Math.ceil((5 - needed) / 2));
  const first = Math.max(0, Math.floor(low / width) - spare);
  const count = Math.floor(high / width) + spare - first + 1;
  return Array.from({ length: count }, (_, index) => ({ from: (first + index) * width, to: (first + index + 1) * width, ok: 0, failed: 0 }));
};

const fillBins = (bins, slaves) => {
  const width = bins[0].to - bins[0].from;
  for (const slave of slaves) {
    const index = Math.floor((slave.elapsed_ns - bins[0].from) / width);
    const bin = bins[Math.min(Math.max(index, 0), bins.length - 1)];
    bin[lookOf(slave) === 'ok' ? 'ok' : 'failed'] += 1;
  }
  return bins;
};

const elapsedKnown = (round) => round.slaves.filter((slave) => isKnown(slave.elapsed_ns))
  .sort((a, b) => a.elapsed_ns - b.elapsed_ns);

const elapsedWords = (round) => {
  const known = elapsedKnown(round);
  if (known.length === 0) return '';
  const [shortest, longest] = [known[0], known[known.length - 1]];
  const median = quantile(known.map((slave) => slave.elapsed_ns), 0.5);
  const words = `Shortest ${formatDuration(shortest.elapsed_ns)} (${shortest.name}), median ${formatDuration(median)}, longest ${formatDuration(longest.elapsed_ns)} (${longest.name}).`;
  const missing = round.slaves.length - known.length;
  return missing > 0 ? `${words} The elapsed time of ${plural(missing, 'slave')} is not known.` : words;
};

// So few slaves have a row each, with their names. More of them are counted in bins.
const ROWS_MAX = 14;

const drawElapsedChart = (host, round, tooltip) => {
  const known = elapsedKnown(round);
  if (known.length === 0) {
    sayInstead(host, 'No task ended in this round, so there are no elapsed times.');
    return;
  }
  const values = known.map((slave) => slave.elapsed_ns);
  if (known.length <= ROWS_MAX) drawElapsedRows(host, round, known, values, tooltip);
  else drawElapsedBins(host, round, known, values, tooltip);
};

const drawElapsedRows = (host, round, known, values, tooltip) => {
  const names = labelsOf(known).map((name) => cutFront(name, LABEL_MAX));
  const widest = most(names.map(textWidth), 0);
  const frame = chartFrame(host, elapsedWords(round), { left: Math.ceil(widest) + 2 * GAP });
  const [low, high] = elapsedDomain(values);
  const x = linear(low, high, frame.left, frame.right);
  const y = linear(-0.5, known.length - 0.5, frame.top, frame.bottom);
  if (known.length > 2) drawMedian(frame, x(quantile(values, 0.5)));
  known.forEach((slave, index) => drawElapsedRow(frame, slave, names[index], x(slave.elapsed_ns), y(index), tooltip));
  frame.svg.append(chartLine(frame.left, frame.bottom, frame.right, frame.bottom, 'axis'));
  durationAxisBottom(frame, low, high, x);
};

// The axis begins at 0 if this does not press the times together.
const elapsedDomain = (values) => {
  const [low, high] = [values[0], values[values.length - 1]];
  if (high - low > high / 4) return [0, high * 1.05];
  const pad = Math.max((high - low) * 0.2, high * 0.01, 10);
  return [Math.max(0, low - pad), high + pad];
};

const drawElapsedRow = (frame, slave, name, x, y, tooltip) => {
  const look = lookOf(slave);
  const group = svgEl('g', { class: 'elapsed-row' });
  const half = (frame.bottom - frame.top) / 2;
  group.append(
    svgEl('rect', { x: 0, y: fixed(y - Math.min(LINE / 2, half)), width: frame.width, height: LINE, class: 'hover-area' }),
    chartLine(frame.left, y, frame.right, y, 'grid'),
    chartText(name, frame.left - GAP, y + 4, 'end'),
    svgEl('path', { d: dotPath(look, x, y), class: `dot dot-${look}` }),
  );
  group.addEventListener('pointermove', (event) => tooltip.show(event.clientX, event.clientY, tooltipFor(slave)));
  group.addEventListener('pointerleave', () => tooltip.hide());
  frame.svg.append(group);
};

const drawElapsedBins = (host, round, known, values, tooltip) => {
  const bins = fillBins(binsFor(values), known);
  const frame = chartFrame(host, elapsedWords(round));
  const [low, high] = [bins[0].from, bins[bins.length - 1].to];
  const top = most(bins.map((bin) => bin.ok + bin.failed), 1);
  const x = linear(low, high, frame.left, frame.right);
  const y = linear(0, top * 1.06, frame.bottom, frame.top);
  countAxis(frame, top, y);
  for (const bin of bins) drawBin(frame, bin, x, y, tooltip);
  drawMedian(frame, x(quantile(values, 0.5)));
  frame.svg.append(chartLine(frame.left, frame.bottom, frame.right, frame.bottom, 'axis'));
  durationAxisBottom(frame, low, high, x);
};

const countAxis = (frame, top, y) => {
  const step = Math.max(1, decadeStep(top / 5));
  for (let count = 0; count <= top; count += step) {
    frame.svg.append(chartLine(frame.left, y(count), frame.right, y(count), 'grid'));
    frame.svg.append(chartText(count, frame.left - 8, y(count) + 4, 'end'));
  }
  const middle = (frame.top + frame.bottom) / 2;
  const title = chartText('slaves', 0, 0, 'middle', 'title');
  title.setAttribute('transform', `translate(14 ${middle}) rotate(-90)`);
  frame.svg.append(title);
};

const drawBin = (frame, bin, x, y, tooltip) => {
  const [left, right] = [x(bin.from) + 0.5, x(bin.to) - 0.5];
  const bar = (from, to, look) => svgEl('rect', {
    x: fixed(left), width: fixed(Math.max(right - left, 1)), y: fixed(Math.min(y(to), y(from) - 2)), height: fixed(Math.max(y(from) - y(to), 2)), class: `bin bin-${look}`,
  });
  const group = svgEl('g', {});
  if (bin.ok) group.append(bar(0, bin.ok, 'ok'));
  if (bin.failed) group.append(bar(bin.ok, bin.ok + bin.failed, 'failed'));
  if (bin.failed) group.append(chartText('\u00d7', (left + right) / 2, y(bin.ok + bin.failed) - 2, 'middle', 'cross'));
  group.addEventListener('pointermove', (event) => tooltip.show(event.clientX, event.clientY, binTooltip(bin)));
  group.addEventListener('pointerleave', () => tooltip.hide());
  frame.svg.append(group);
};

const binTooltip = (bin) => [
  el('p', { class: 'tooltip-head' }, `${formatDuration(bin.from)} to ${formatDuration(bin.to)}`),
  el('p', {}, `${plural(bin.ok, 'slave')} succeeded${bin.failed ? `, ${bin.failed} did not` : ''}`),
];

// The label is above the plot, where nothing else is drawn.
const drawMedian = (frame, x) => {
  frame.svg.append(chartLine(x, frame.top - 4, x, frame.bottom, 'median'));
  const half = textWidth('median') / 2;
  frame.svg.append(chartText('median', Math.min(Math.max(x, frame.left + half), frame.width - half), frame.top - 8, 'middle', 'label'));
};
