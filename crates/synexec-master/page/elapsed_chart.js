// The chart of the elapsed times: a row for each of a few slaves, or bins.

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
