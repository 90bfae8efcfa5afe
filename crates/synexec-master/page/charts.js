// Two charts in SVG: the starts with their uncertainty, and the elapsed times of the tasks.

const CHART_HEIGHT = 270;
const MARGIN = { top: 16, right: 24, bottom: 40, left: 66 };

const chartFrame = (host, label) => {
  const width = Math.max(300, Math.round(host.clientWidth || 600));
  const svg = svgEl('svg', { viewBox: `0 0 ${width} ${CHART_HEIGHT}`, role: 'img', 'aria-label': label });
  const frame = {
    svg, width, left: MARGIN.left, right: width - MARGIN.right, top: MARGIN.top, bottom: CHART_HEIGHT - MARGIN.bottom,
  };
  host.replaceChildren(svg);
  return frame;
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
    frame.svg.append(chartText(tick.label, x(tick.at), frame.bottom + 17));
  }
  const since = axis.base === 0 ? '' : ` (beyond ${baseLabel(axis.base)})`;
  frame.svg.append(chartText(`elapsed${since}`, (frame.left + frame.right) / 2, CHART_HEIGHT - 5, 'middle', 'title'));
};

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

const slaveAxis = (frame, slaves, x, order) => {
  const room = (frame.right - frame.left) / slaves.length;
  const longest = most(slaves.map((slave) => slave.name.length), 0);
  const named = room > Math.min(longest, 16) * 7 + 8;
  const step = Math.max(1, decadeStep(Math.max(1, (slaves.length * 45) / (frame.right - frame.left))));
  const isTick = (place) => place % step === 0 || (place === 1 && step > 2);
  slaves.forEach((slave, index) => {
    if (named) frame.svg.append(chartText(shortName(slave.name), x(index), frame.bottom + 17));
    else if (isTick(order === 'rank' ? index : index + 1)) frame.svg.append(chartText(order === 'rank' ? slave.rank : index + 1, x(index), frame.bottom + 17));
  });
  const title = order === 'rank' ? 'slaves by rank' : 'slaves in the order of their starts';
  frame.svg.append(chartText(title, (frame.left + frame.right) / 2, CHART_HEIGHT - 5, 'middle', 'title'));
};

const shortName = (name) => (name.length > 16 ? `${name.slice(0, 15)}\u2026` : name);

const instantLine = (frame, y, text, kind) => {
  frame.svg.append(chartLine(frame.left, y, frame.right, y, kind));
  frame.svg.append(chartText(text, frame.right, y - 4, 'end', 'label'));
};

const drawSkewChart = (host, round, asked, order, tooltip) => {
  const known = orderSlaves(round.slaves.filter((slave) => slave.start), order);
  if (known.length === 0) {
    sayInstead(host, 'No start was measured in this round, so the skew is unknown.');
    return;
  }
  const frame = chartFrame(host, skewWords(round));
  const [low, high] = skewDomain(known, round, asked);
  const y = linear(low, high, frame.bottom, frame.top);
  const x = linear(-0.5, known.length - 0.5, frame.left, frame.right);
  durationAxisLeft(frame, low, high, y);
  instantLine(frame, y(0), 'first start', 'zero');
  if (isKnown(round.ordered_ns) && round.ordered_ns >= low && Math.abs(y(round.ordered_ns) - y(0)) > 12) instantLine(frame, y(round.ordered_ns), 'ordered start', 'limit');
  if (isKnown(asked.max_skew_ns) && asked.max_skew_ns <= high) instantLine(frame, y(asked.max_skew_ns), 'largest skew allowed', 'limit');
  const { whiskers, paths } = startPaths(known, x, y, known.length > 80);
  frame.svg.append(svgEl('path', { d: whiskers, class: `chart-whisker${known.length > 300 ? ' faint' : ''}` }));
  for (const [look, d] of Object.entries(paths)) {
    frame.svg.append(svgEl('path', { d, class: `dot dot-${look}${known.length > 300 && look === 'ok' ? ' small' : ''}` }));
  }
  slaveAxis(frame, known, x, order);
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
  if (known.length === 0) return '';
  const last = known.reduce((a, b) => (b.start.at_ns > a.start.at_ns ? b : a));
  const vague = known.reduce((a, b) => (b.start.uncertainty_ns > a.start.uncertainty_ns ? b : a));
  const missing = round.slaves.length - known.length;
  const parts = [`Last start: ${last.name}, ${startText(last)} after the first start.`,
    `Largest uncertainty: ${vague.name}, ± ${formatDuration(vague.start.uncertainty_ns)}.`];
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

const drawElapsedChart = (host, round, tooltip) => {
  const known = elapsedKnown(round);
  if (known.length === 0) {
    sayInstead(host, 'No task ended in this round, so there are no elapsed times.');
    return;
  }
  const values = known.map((slave) => slave.elapsed_ns);
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

const drawMedian = (frame, x) => {
  frame.svg.append(chartLine(x, frame.top - 4, x, frame.bottom, 'median'));
  const anchor = x > frame.right - 60 ? 'end' : 'start';
  frame.svg.append(chartText('median', x + (anchor === 'end' ? -5 : 5), frame.top + 4, anchor, 'label'));
};
