// The timeline: one bar for each slave on a canvas, with zooming and scrolling. Only the visible rows are drawn.

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

const timelineRows = (round, order) => {
  const slaves = orderSlaves(round.slaves, order);
  const labels = labelsOf(slaves);
  return slaves.map((slave, row) => ({ ...slave, row, label: labels[row] }));
};

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
    this.canvas = el('canvas', { class: 'timeline-canvas', role: 'img', 'aria-label': 'one bar for each slave; the table below has the same figures' });
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
    this.rows = timelineRows(this.round, order);
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

  // The strip at the right edge shows where in the whole list slaves stand out.
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
    const rows = timelineRows(this.round, this.order);
    const perPage = Math.floor(840 / this.rowHeight);
    // The first part is on the same sheet as the summary.
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

  // A reader who scrolls the page past the timeline does not want to zoom. If a turn of
  // the wheel began outside the timeline, it continues to scroll the page.
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
