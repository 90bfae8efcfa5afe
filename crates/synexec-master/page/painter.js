// Draws rows and axis into any 2D context, independent of scrolling and pointers.
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

  // Labels of instants. A label that would overlap its neighbour is left out.
  eventLabels() {
    const { scale, palette, round } = this;
    const placed = [];
    const events = [['first start', 0], ['ordered start', round.ordered_ns], ['last start', togetherRange(round)?.[0]]];
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
    // The first name is as far from the upper edge as from the next name.
    const every = Math.max(1, Math.ceil(13 / rowHeight));
    const width = this.scale.left - 24;
    slaves.forEach((slave, index) => {
      const y = top + (index + 0.5) * rowHeight;
      if (slave.stands_out) this.gutterMark(slave, y, rowHeight);
      if (slave.row % every !== Math.floor(every / 2)) return;
      const colour = slave.stands_out && every === 1 ? this.palette.ink : this.palette['ink-soft'];
      this.text(this.fitted(slave.label, width), this.scale.left - 18, y, colour, 'right');
    });
  }

  gutterMark(slave, y, rowHeight) {
    this.shape(lookOf(slave), this.scale.left - 8, y, Math.min(3.5, Math.max(2, rowHeight * 0.3)));
  }

  fitted(name, width) {
    this.c.font = '11px system-ui, sans-serif';
    let length = 60;
    while (length > 1 && this.c.measureText(cutFront(name, length)).width > width) length -= 1;
    return cutFront(name, length);
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

  // A task that did not succeed has stripes, so that it differs not only in colour.
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
