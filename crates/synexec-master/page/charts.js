// What the charts have in common: the frame, axes, texts and marks, in SVG.

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

const dotPath = (look, x, y) => {
  const [px, py] = [fixed(x), fixed(y)];
  if (look === 'ok') return `M${px} ${py}h0`;
  if (look === 'lost') return `M${px} ${fixed(y - 5)}l5 5l-5 5l-5 -5z`;
  return `M${fixed(x - 4)} ${fixed(y - 4)}l8 8M${fixed(x + 4)} ${fixed(y - 4)}l-8 8`;
};
