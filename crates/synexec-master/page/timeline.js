// The timeline: one bar a slave on a canvas, of which only the visible rows are drawn.

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

// Where all slaves were running at once: from the last start on.
const togetherRange = (round) => {
  if (!round.skew || !isKnown(round.skew.together_ns)) return null;
  const last = most(round.slaves.filter((slave) => slave.start).map((slave) => slave.start.at_ns), 0);
  return [last, last + round.skew.together_ns];
};

const orderings = {
  rank: (a, b) => a.rank - b.rank,
  start: (a, b) => (a.start?.at_ns ?? Infinity) - (b.start?.at_ns ?? Infinity) || a.rank - b.rank,
  elapsed: (a, b) => (b.elapsed_ns ?? -1) - (a.elapsed_ns ?? -1) || a.rank - b.rank,
  notable: (a, b) => Number(b.stands_out) - Number(a.stands_out) || a.rank - b.rank,
};

// Infinity minus Infinity is no number; such pairs fall back to the rank.
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

// Draws rows and axis into any 2D context; knows nothing of scrolling or pointers.
class TimelinePainter {
  constructor(context, scale, palette, round) {
    this.c = context;
    this.scale = scale;
    this.palette = palette;
    this.round = round;
  }

  line(x1, y1, x2, y2, colour, width = 1, dash = []) {
    const { c } = this;
    c.strokeStyle = colour;
    c.lineWidth = width;
    c.setLineDash(dash);
    c.beginPath();
    c.moveTo(x1, y1);
    c.lineTo(x2, y2);
    c.stroke();
    c.setLineDash([]);
  }

  text(text, x, y, colour, align = 'left', size = 11) {
    const { c } = this;
    c.font = `${size}px system-ui, sans-serif`;
    c.fillStyle = colour;
    c.textAlign = align;
    c.textBaseline = 'middle';
    c.fillText(text, x, y);
  }

  clipPlot(height, paint) {
    const { c, scale } = this;
    c.save();
    c.beginPath();
    c.rect(scale.left, 0, scale.right - scale.left, height);
    c.clip();
    paint();
    c.restore();
  }

  ticks() {
    return axisTicks(this.scale.from, this.scale.to, (this.scale.right - this.scale.left) / 95);
  }

  axis() {
    const { scale, palette } = this;
    const { base, ticks } = this.ticks();
    const y = AXIS_HEIGHT - 0.5;
    this.line(scale.left, y, scale.right, y, palette.grid);
    for (const tick of ticks) {
      const x = Math.round(scale.x(tick.at)) + 0.5;
      this.line(x, y - 5, x, y, palette['ink-soft']);
      this.axisLabel(tick.label, x, y - 13);
    }
    const unit = base === 0 ? 'since first start' : baseLabel(base);
    this.text(unit, scale.left - 10, y - 13, palette['ink-soft'], 'right', 10.5);
    this.eventLabels();
  }

  axisLabel(label, x, y) {
    this.c.font = '11px system-ui, sans-serif';
    const half = this.c.measureText(label).width / 2;
    const place = Math.min(Math.max(x, this.scale.left + half - 6), this.scale.right - half);
    this.text(label, place, y, this.palette.ink, 'center');
  }

  // Labels of instants; one that would overlap its neighbour is left out.
  eventLabels() {
    const { scale, palette, round } = this;
    const placed = [];
    const events = [['first start', 0], ['ordered', round.ordered_ns], ['last start', togetherRange(round)?.[0]]];
    for (const [name, at] of events) {
      if (!isKnown(at) || !scale.sees(at)) continue;
      const half = this.c.measureText(name).width / 2;
      const x = Math.min(scale.x(at), scale.right - half);
      if (placed.some((other) => Math.abs(other.x - x) < other.half + half + 8)) continue;
      this.text(name, x, 8, palette.accent, 'center', 10.5);
      placed.push({ x, half });
    }
    this.togetherLabel(most(placed.map(({ x, half }) => x + half), scale.left));
  }

  togetherLabel(taken) {
    const together = togetherRange(this.round);
    if (!together) return;
    const from = Math.max(this.scale.x(together[0]), this.scale.left, taken + 8);
    const to = Math.min(this.scale.x(together[1]), this.scale.right);
    const label = `all together ${formatDuration(together[1] - together[0])}`;
    if (this.c.measureText(label).width + 16 > to - from) return;
    this.text(label, (from + to) / 2, 8, this.palette['ink-soft'], 'center', 10.5);
  }

  backdrop(height) {
    const { c, scale, palette, round } = this;
    const together = togetherRange(round);
    this.clipPlot(height, () => {
      if (together) {
        c.fillStyle = palette.band;
        c.fillRect(scale.x(together[0]), 0, scale.x(together[1]) - scale.x(together[0]), height);
      }
      for (const tick of this.ticks().ticks) {
        const x = Math.round(scale.x(tick.at)) + 0.5;
        this.line(x, 0, x, height, palette.grid);
      }
    });
  }

  instants(height) {
    const { scale, palette, round } = this;
    this.clipPlot(height, () => {
      const first = Math.round(scale.x(0)) + 0.5;
      this.line(first, 0, first, height, palette.accent, 1);
      if (!isKnown(round.ordered_ns)) return;
      const ordered = Math.round(scale.x(round.ordered_ns)) + 0.5;
      if (ordered !== first) this.line(ordered, 0, ordered, height, palette.accent, 1, [3, 3]);
    });
  }

  rows(slaves, top, rowHeight, height) {
    this.backdrop(height);
    const inset = rowHeight > 8 ? Math.round(rowHeight * 0.16) : 0.5;
    this.clipPlot(height, () => {
      slaves.forEach((slave, index) => {
        const y = top + index * rowHeight;
        this.bars(slave, y + inset, rowHeight - 2 * inset);
      });
    });
    this.instants(height);
    this.clipPlot(height, () => {
      slaves.forEach((slave, index) => this.marks(slave, top + (index + 0.5) * rowHeight, rowHeight));
    });
    this.names(slaves, top, rowHeight);
  }

  names(slaves, top, rowHeight) {
    const every = Math.max(1, Math.ceil(13 / rowHeight));
    const width = this.scale.left - 24;
    slaves.forEach((slave, index) => {
      const y = top + (index + 0.5) * rowHeight;
      if (slave.stands_out) this.gutterMark(slave, y, rowHeight);
      if (slave.row % every !== 0) return;
      const colour = slave.stands_out && every === 1 ? this.palette.ink : this.palette['ink-soft'];
      const clear = slave.row === 0 ? Math.max(y, top + 7) : y;
      this.text(this.fitted(slave.name, width), this.scale.left - 18, clear, colour, 'right');
    });
  }

  gutterMark(slave, y, rowHeight) {
    this.shape(lookOf(slave), this.scale.left - 8, y, Math.min(3.5, Math.max(2, rowHeight * 0.3)));
  }

  fitted(name, width) {
    this.c.font = '11px system-ui, sans-serif';
    let text = visibleText(name).slice(0, 60);
    if (this.c.measureText(text).width <= width) return text;
    while (text.length > 1 && this.c.measureText(`${text}\u2026`).width > width) text = text.slice(0, -1);
    return `${text}\u2026`;
  }

  bars(slave, y, height) {
    const { scale, palette } = this;
    const begin = slave.start ? slave.start.at_ns : null;
    const heldEnd = begin ?? this.round.ordered_ns ?? 0;
    if (isKnown(slave.held_ns) && slave.held_ns < heldEnd) {
      this.block(scale.x(slave.held_ns), scale.x(heldEnd), y, height, palette.held);
    }
    if (begin === null && !isKnown(slave.end_ns)) return;
    const from = scale.x(begin ?? heldEnd);
    const look = lookOf(slave);
    if (!isKnown(slave.end_ns)) this.fadingBlock(from, y, height, palette[look]);
    else if (begin === null) this.openBlock(from, scale.x(slave.end_ns), y, height, palette[look]);
    else this.runningBlock(look, from, scale.x(slave.end_ns), y, height);
  }

  block(from, to, y, height, colour) {
    this.c.fillStyle = colour;
    this.c.fillRect(from, y, Math.max(to - from, 1), height);
  }

  runningBlock(look, from, to, y, height) {
    this.block(from, to, y, height, this.palette[look]);
    if (look !== 'ok' && height >= 6) this.hatch(from, to, y, height);
  }

  // A task that ended badly is told by stripes too, not by colour alone.
  hatch(from, to, y, height) {
    const { c, palette } = this;
    c.save();
    c.beginPath();
    c.rect(from, y, to - from, height);
    c.clip();
    c.globalAlpha = 0.55;
    c.strokeStyle = palette.paper;
    c.lineWidth = 1.5;
    c.beginPath();
    for (let x = Math.floor((from - height) / 7) * 7; x < to; x += 7) {
      c.moveTo(x, y + height);
      c.lineTo(x + height, y);
    }
    c.stroke();
    c.restore();
  }

  // Start known, end unknown: the bar fades out.
  fadingBlock(from, y, height, colour) {
    const { c } = this;
    const to = from + Math.min(90, (this.scale.right - this.scale.left) / 5);
    const fade = c.createLinearGradient(from, 0, to, 0);
    fade.addColorStop(0, colour);
    fade.addColorStop(1, 'transparent');
    c.fillStyle = fade;
    c.fillRect(from, y, to - from, height);
  }

  // End known, start not measured: an outline only.
  openBlock(from, to, y, height, colour) {
    const { c } = this;
    c.strokeStyle = colour;
    c.lineWidth = 1;
    c.setLineDash(height >= 6 ? [4, 2] : []);
    c.strokeRect(from + 0.5, y + 0.5, Math.max(to - from - 1, 1), Math.max(height - 1, 1));
    c.setLineDash([]);
  }

  marks(slave, y, rowHeight) {
    const { scale } = this;
    const look = lookOf(slave);
    if (slave.start) this.whisker(slave.start, y, rowHeight);
    const at = this.endOf(slave);
    if (at === null) return;
    if (look === 'ok' && rowHeight < 10) return;
    const size = look === 'ok' ? Math.min(3, rowHeight * 0.2) : Math.min(5, Math.max(3, rowHeight * 0.3));
    const x = isKnown(slave.end_ns) ? scale.x(at) : this.besides(scale.x(at), slave);
    this.halo(x, y, size + 2.5);
    this.shape(look, x, y, size);
  }

  besides(x, slave) {
    return slave.start ? x + Math.min(90, (this.scale.right - this.scale.left) / 5) : x + 9;
  }

  endOf(slave) {
    if (isKnown(slave.end_ns)) return slave.end_ns;
    if (slave.start) return slave.start.at_ns;
    return isKnown(slave.held_ns) || lookOf(slave) !== 'ok' ? this.round.ordered_ns ?? 0 : null;
  }

  halo(x, y, size) {
    this.c.fillStyle = this.palette.paper;
    this.c.beginPath();
    this.c.arc(x, y, size, 0, 2 * Math.PI);
    this.c.fill();
  }

  whisker(start, y, rowHeight) {
    const { scale, palette } = this;
    const reach = scale.length(start.uncertainty_ns);
    if (reach < 2) return;
    const [from, to] = [scale.x(start.at_ns - start.uncertainty_ns), scale.x(start.at_ns + start.uncertainty_ns)];
    const cap = Math.max(1, Math.min(4, rowHeight * 0.22));
    if (rowHeight >= 10) this.line(from - 1, y, to + 1, y, palette.paper, 3);
    this.line(from, y, to, y, palette.ink, rowHeight >= 10 ? 1.25 : 0.75);
    if (rowHeight < 7) return;
    for (const x of [from, to]) this.line(x, y - cap, x, y + cap, palette.ink, 1.25);
    if (rowHeight >= 10) this.startDot(scale.x(start.at_ns), y);
  }

  startDot(x, y) {
    this.halo(x, y, 3.5);
    this.c.fillStyle = this.palette.ink;
    this.c.beginPath();
    this.c.arc(x, y, 2.25, 0, 2 * Math.PI);
    this.c.fill();
  }

  shape(look, x, y, size) {
    const { c } = this;
    c.strokeStyle = this.palette[look];
    c.fillStyle = this.palette[look];
    c.lineWidth = size > 3 ? 2 : 1.5;
    c.beginPath();
    SHAPES[look](c, x, y, size);
    if (look === 'ok') c.fill();
    else c.stroke();
  }
}

// The same shapes as the icons of the table, for a canvas.
const SHAPES = {
  ok: (c, x, y, s) => c.arc(x, y, s, 0, 2 * Math.PI),
  failed: (c, x, y, s) => {
    c.moveTo(x - s, y - s);
    c.lineTo(x + s, y + s);
    c.moveTo(x + s, y - s);
    c.lineTo(x - s, y + s);
  },
  lost: (c, x, y, s) => {
    c.moveTo(x, y - s);
    c.lineTo(x + s, y);
    c.lineTo(x, y + s);
    c.lineTo(x - s, y);
    c.closePath();
  },
  declined: (c, x, y, s) => {
    c.rect(x - s, y - s, 2 * s, 2 * s);
    c.moveTo(x - s, y + s);
    c.lineTo(x + s, y - s);
  },
  cancelled: (c, x, y, s) => {
    c.moveTo(x - s, y);
    c.lineTo(x + s, y);
  },
};

const sizeCanvas = (canvas, width, height, density) => {
  canvas.width = Math.round(width * density);
  canvas.height = Math.round(height * density);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext('2d');
  context.setTransform(density, 0, 0, density, 0, 0);
  return context;
};

const gutterFor = (width) => Math.round(Math.min(150, Math.max(112, width * 0.12)));

class Timeline {
  constructor(host, tooltip, onPick) {
    this.host = host;
    this.tooltip = tooltip;
    this.onPick = onPick;
    this.order = 'rank';
    this.hover = -1;
    this.drag = null;
    this.lastForeignWheel = -Infinity;
    this.build();
    this.listen();
  }

  build() {
    this.axisCanvas = el('canvas', { class: 'timeline-axis', role: 'presentation' });
    this.canvas = el('canvas', { class: 'timeline-canvas', role: 'img', 'aria-label': 'bars, one a slave; the table below has the same figures' });
    this.rowsBox = el('div', { class: 'timeline-rows' }, this.canvas);
    this.box = el('div', { class: 'timeline-box', tabindex: '-1' }, this.rowsBox);
    this.selection = el('div', { class: 'timeline-selection', hidden: true });
    this.host.replaceChildren(this.axisCanvas, this.box, this.selection);
  }

  show(round) {
    this.round = round;
    this.active = hasTimes(round);
    this.host.hidden = !this.active;
    if (!this.active) return;
    this.full = fullRange(round);
    this.start = startRange(round);
    this.range = this.full;
    this.rowHeight = rowHeightFor(round.slaves.length);
    this.box.scrollTop = 0;
    this.sort(this.order);
  }

  sort(order) {
    this.order = order;
    if (!this.active) return;
    this.rows = orderSlaves(this.round.slaves, order).map((slave, row) => ({ ...slave, row }));
    this.rowsBox.style.height = `${this.rows.length * this.rowHeight}px`;
    this.draw();
  }

  setRange(from, to) {
    if (!this.active) return;
    const limit = this.full[1] - this.full[0];
    const span = Math.min(Math.max(to - from, SMALLEST_SPAN), limit);
    const middle = (from + to) / 2;
    const begin = Math.min(Math.max(middle - span / 2, this.full[0]), this.full[1] - span);
    this.range = [begin, begin + span];
    this.draw();
  }

  zoom(factor, around = (this.range[0] + this.range[1]) / 2) {
    const [from, to] = this.range;
    this.setRange(around - (around - from) * factor, around + (to - around) * factor);
  }

  move(share) {
    const step = (this.range[1] - this.range[0]) * share;
    this.setRange(this.range[0] + step, this.range[1] + step);
  }

  showAll() {
    if (this.active) this.setRange(...this.full);
  }

  showStart() {
    if (this.active && this.start) this.setRange(...this.start);
  }

  atFull() {
    return this.range[1] - this.range[0] >= (this.full[1] - this.full[0]) * 0.9999;
  }

  redrawSoon() {
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = 0;
      this.draw();
    });
  }

  draw() {
    if (!this.active) return;
    const width = this.box.clientWidth;
    if (width === 0) return;
    const height = Math.min(this.box.clientHeight, this.rows.length * this.rowHeight);
    this.scale = new Scale(this.range, gutterFor(width), width - MAP_WIDTH - 6);
    const palette = paletteOf(this.host);
    this.drawAxis(width, palette);
    this.drawRows(width, height, palette);
    this.host.dataset.fromNs = String(Math.round(this.range[0]));
    this.host.dataset.toNs = String(Math.round(this.range[1]));
  }

  drawAxis(width, palette) {
    const context = sizeCanvas(this.axisCanvas, width, AXIS_HEIGHT, window.devicePixelRatio || 1);
    new TimelinePainter(context, this.scale, palette, this.round).axis();
  }

  drawRows(width, height, palette) {
    const context = sizeCanvas(this.canvas, width, height, window.devicePixelRatio || 1);
    const first = Math.max(0, Math.floor(this.box.scrollTop / this.rowHeight) - 1);
    const count = Math.ceil(height / this.rowHeight) + 3;
    const top = first * this.rowHeight - this.box.scrollTop;
    if (this.hover >= 0) this.drawHover(context, width, palette);
    const painter = new TimelinePainter(context, this.scale, palette, this.round);
    painter.rows(this.rows.slice(first, first + count), top, this.rowHeight, height);
    this.drawMap(context, painter, width, height, palette);
  }

  drawHover(context, width, palette) {
    context.fillStyle = palette.stripe;
    context.fillRect(0, this.hover * this.rowHeight - this.box.scrollTop, width, this.rowHeight);
  }

  // The strip at the right edge tells where in the whole list slaves stand out.
  drawMap(context, painter, width, height, palette) {
    const whole = this.rows.length * this.rowHeight;
    if (whole <= height + 1) return;
    context.fillStyle = palette.stripe;
    context.fillRect(width - MAP_WIDTH, 0, MAP_WIDTH, height);
    for (const slave of this.rows) {
      if (!slave.stands_out) continue;
      const y = ((slave.row + 0.5) / this.rows.length) * height;
      context.fillStyle = palette[lookOf(slave)];
      context.fillRect(width - MAP_WIDTH + 1, y - 1, MAP_WIDTH - 2, 2);
    }
  }

  print(target) {
    target.replaceChildren();
    if (!this.active) return;
    const palette = paletteOf(target);
    const rows = orderSlaves(this.round.slaves, this.order).map((slave, row) => ({ ...slave, row }));
    const perPage = Math.floor(840 / this.rowHeight);
    // The first part shares its page with the summary.
    let size = rows.length > perPage ? Math.floor(perPage * 0.35) : perPage;
    for (let first = 0; first < rows.length; first += size, size = perPage) {
      target.appendChild(this.printPart(rows.slice(first, first + size), palette));
    }
  }

  printPart(rows, palette) {
    const width = 720;
    const height = rows.length * this.rowHeight;
    const canvas = el('canvas', { class: 'timeline-print-part' });
    const context = sizeCanvas(canvas, width, height + AXIS_HEIGHT, 2);
    const scale = new Scale(this.full, gutterFor(width), width - 4);
    const painter = new TimelinePainter(context, scale, palette, this.round);
    painter.axis();
    context.translate(0, AXIS_HEIGHT);
    painter.rows(rows, 0, this.rowHeight, height);
    return canvas;
  }

  listen() {
    this.box.addEventListener('scroll', () => this.redrawSoon(), { passive: true });
    window.addEventListener('scroll', () => this.tooltip.hide(), { passive: true });
    document.addEventListener('wheel', (event) => this.noteForeignWheel(event), { passive: true });
    this.host.addEventListener('wheel', (event) => this.onWheel(event), { passive: false });
    this.host.addEventListener('keydown', (event) => this.onKey(event));
    this.host.addEventListener('pointerdown', (event) => this.onDown(event));
    this.host.addEventListener('pointermove', (event) => this.onMove(event));
    this.host.addEventListener('pointerup', (event) => this.onUp(event));
    this.host.addEventListener('pointercancel', () => this.endDrag());
    this.host.addEventListener('pointerleave', () => this.leave());
    this.host.addEventListener('dblclick', () => this.showAll());
    new ResizeObserver(() => this.redrawSoon()).observe(this.host);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.redrawSoon());
  }

  place(event) {
    const frame = this.box.getBoundingClientRect();
    return { x: event.clientX - frame.left, y: event.clientY - frame.top };
  }

  inPlot(x) {
    return this.scale && x >= this.scale.left && x <= this.scale.right;
  }

  // A reader who scrolls the page past the timeline must not be caught by it: a turn of
  // the wheel that began elsewhere goes on scrolling the page.
  noteForeignWheel(event) {
    const inside = this.host.contains(event.target);
    if (!inside || this.passesBy()) this.lastForeignWheel = performance.now();
  }

  passesBy() {
    return performance.now() - this.lastForeignWheel < 250;
  }

  onWheel(event) {
    const { x } = this.place(event);
    if (event.shiftKey || !this.inPlot(x)) return;
    if (this.passesBy() && !event.ctrlKey) return;
    const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (!sideways && event.deltaY > 0 && this.atFull()) return;
    event.preventDefault();
    this.tooltip.hide();
    if (sideways) this.move(Math.sign(event.deltaX) * 0.06);
    else this.zoom(1.002 ** Math.max(-300, Math.min(300, wheelPixels(event))), this.scale.at(x));
  }

  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const actions = {
      '+': () => this.zoom(0.5),
      '=': () => this.zoom(0.5),
      '-': () => this.zoom(2),
      0: () => this.showAll(),
      ArrowLeft: () => this.move(-0.15),
      ArrowRight: () => this.move(0.15),
      ArrowUp: () => { this.box.scrollTop -= 3 * this.rowHeight; },
      ArrowDown: () => { this.box.scrollTop += 3 * this.rowHeight; },
      PageUp: () => { this.box.scrollTop -= this.box.clientHeight * 0.9; },
      PageDown: () => { this.box.scrollTop += this.box.clientHeight * 0.9; },
      Escape: () => this.endDrag(),
    };
    if (!(event.key in actions)) return;
    event.preventDefault();
    actions[event.key]();
  }

  onDown(event) {
    const { x } = this.place(event);
    if (event.button !== 0 || !this.inPlot(x)) return;
    this.drag = { from: x, to: x };
    this.host.setPointerCapture(event.pointerId);
  }

  onMove(event) {
    const place = this.place(event);
    if (this.drag) this.dragTo(place.x);
    else this.hoverAt(place, event);
  }

  dragTo(x) {
    this.drag.to = Math.min(Math.max(x, this.scale.left), this.scale.right);
    const [left, right] = [this.drag.from, this.drag.to].sort((a, b) => a - b);
    this.selection.hidden = right - left < 4;
    this.selection.style.left = `${left}px`;
    this.selection.style.width = `${right - left}px`;
    this.tooltip.hide();
  }

  onUp(event) {
    if (!this.drag) return;
    const [left, right] = [this.drag.from, this.drag.to].sort((a, b) => a - b);
    this.endDrag();
    if (right - left >= 4) this.setRange(this.scale.at(left), this.scale.at(right));
    else this.pick(event);
  }

  endDrag() {
    this.drag = null;
    this.selection.hidden = true;
  }

  rowAt(place) {
    if (place.y < 0 || place.y > this.box.clientHeight) return -1;
    const row = Math.floor((place.y + this.box.scrollTop) / this.rowHeight);
    return row < this.rows.length ? row : -1;
  }

  pick(event) {
    const row = this.rowAt(this.place(event));
    if (row >= 0 && event.detail !== 2) this.onPick(this.rows[row].rank);
  }

  hoverAt(place, event) {
    const row = this.rowAt(place);
    if (row !== this.hover) {
      this.hover = row;
      this.redrawSoon();
    }
    if (row < 0) this.tooltip.hide();
    else this.tooltip.show(event.clientX, event.clientY, tooltipFor(this.rows[row]));
  }

  leave() {
    this.hover = -1;
    this.tooltip.hide();
    if (this.active) this.redrawSoon();
  }
}

const wheelPixels = (event) => event.deltaY * [1, 20, 300][event.deltaMode];
