// The chart of the starts relative to the first, with their uncertainty.

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
