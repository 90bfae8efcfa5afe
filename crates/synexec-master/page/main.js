// Reads the report, fills the page and connects its parts.

const VERDICTS = {
  succeeded: ['ok', 'succeeded'],
  task_failed: ['failed', 'task failed'],
  skew_exceeded: ['failed', 'skew exceeded'],
  not_enough_slaves: ['declined', 'not enough slaves'],
  declined: ['declined', 'declined'],
  lost: ['lost', 'slave lost'],
  master_failed: ['failed', 'master failed'],
  interrupted: ['cancelled', 'interrupted'],
};

const NOTABLE_SHOWN = 12;

const fact = (name, value, wide = false) => el('div', { class: wide ? 'wide' : null }, el('dt', {}, name), el('dd', {}, value));

const sessionLength = (report) => {
  const length = Date.parse(report.ended) - Date.parse(report.began);
  return Number.isFinite(length) ? ` (${formatDuration(length * 1e6)})` : '';
};

const timeElement = (text, extra = '') => el('span', {}, el('time', { datetime: text, title: text }, formatTime(text, 3)), extra);

const askedText = (asked) => {
  const parts = [isKnown(asked.slaves) ? plural(asked.slaves, 'slave') : 'any number of slaves', plural(asked.rounds ?? 1, 'round')];
  if (isKnown(asked.quorum)) parts.splice(1, 0, `at least ${asked.quorum} of them`);
  if (isKnown(asked.timeout_ns)) parts.push(`timeout ${formatDuration(asked.timeout_ns)}`);
  if (isKnown(asked.max_skew_ns)) parts.push(`skew at most ${formatDuration(asked.max_skew_ns)}`);
  return parts.join(', ');
};

const showVerdict = (report) => {
  const sentence = byId('sentence');
  sentence.textContent = keepUnits(sentence.textContent);
  const [look, words] = VERDICTS[report.verdict] ?? ['failed', report.verdict];
  document.documentElement.dataset.verdict = report.verdict;
  byId('verdict').classList.add(`verdict-${look}`);
  const mark = byId('verdict-mark');
  mark.replaceChildren(markIcon(look), words);
  mark.hidden = false;
};

const showFacts = (report) => {
  const { conf, asked } = report;
  const facts = [fact('command line', el('code', {}, conf?.command_line ?? UNKNOWN), true)];
  if (conf) facts.push(fact('conf', el('span', {}, el('code', {}, conf.path), ` ${formatBytes(conf.bytes)}, payload ${formatBytes(conf.payload_bytes)}`)));
  if (asked.environment?.length) facts.push(fact('environment', el('code', {}, asked.environment.join(' ')), true));
  facts.push(
    fact('requested', askedText(asked)),
    fact('master', report.master ?? UNKNOWN),
    fact('session', String(report.session)),
    fact('began', timeElement(report.began)),
    fact('ended', timeElement(report.ended, sessionLength(report))),
    fact('exit status', String(report.exit_status ?? UNKNOWN)),
    fact('program', report.program),
  );
  byId('facts').replaceChildren(...facts);
};

const figure = (name, value, note) => el('div', {}, el('dt', {}, name), el('dd', {}, el('span', { class: 'figure' }, value), el('span', { class: 'figure-note' }, note)));

const hasSkew = (round) => isKnown(round.skew) && round.skew.known > 1;

const skewFigure = (round, asked) => {
  if (!round.skew) return figure('skew', UNKNOWN, 'no start was measured');
  const { skew_ns: skew, uncertainty_ns: uncertainty, known, slaves } = round.skew;
  if (!hasSkew(round)) return figure('skew', UNKNOWN, 'one start alone has no skew');
  const limit = isKnown(asked.max_skew_ns) ? `, allowed ${formatDuration(asked.max_skew_ns)}` : '';
  return figure('skew', formatWithUncertainty(skew, uncertainty), `${known} of ${plural(slaves, 'start')} known${limit}`);
};

const elapsedFigure = (round) => {
  const values = elapsedKnown(round).map((slave) => slave.elapsed_ns);
  if (values.length === 0) return figure('elapsed, median', UNKNOWN, 'no task ended');
  return figure('elapsed, median', formatDuration(quantile(values, 0.5)),
    `${formatDuration(values[0])} to ${formatDuration(values[values.length - 1])}`);
};

const succeededFigure = (round) => {
  const counts = countLooks(round);
  const others = Object.keys(LOOKS).filter((look) => look !== 'ok' && counts[look] > 0);
  const note = others.length ? others.map((look) => `${counts[look]} ${LOOKS[look]}`).join(', ') : 'none failed';
  return figure('succeeded', `${formatCount(counts.ok)} of ${formatCount(round.slaves.length)}`, note);
};

const showFigures = (round, asked) => {
  const together = round.skew?.together_ns;
  byId('figures').replaceChildren(
    succeededFigure(round), skewFigure(round, asked),
    figure('running together', formatDuration(together), isKnown(together) ? 'from the last start to the first end' : 'not all starts are known'),
    elapsedFigure(round),
  );
};

const countLooks = (round) => {
  const counts = Object.fromEntries(Object.keys(LOOKS).map((look) => [look, 0]));
  for (const slave of round.slaves) counts[lookOf(slave)] += 1;
  return counts;
};

const LEGEND_EXTRA = [['held', 'held'], ['whisker', 'uncertainty of the start (when zoomed in)']];

const showLegend = (round) => {
  const counts = countLooks(round);
  const looks = Object.keys(LOOKS).filter((look) => counts[look] > 0)
    .map((look) => el('span', { class: 'legend-item' }, markIcon(look), `${LOOKS[look]} (${formatCount(counts[look])})`));
  const extra = LEGEND_EXTRA.map(([kind, words]) => el('span', { class: 'legend-item' }, el('i', { class: `swatch swatch-${kind}` }), words));
  byId('legend').replaceChildren(...looks, ...extra);
};

const notableButton = (slave, table) => el('li', {}, el('button', { type: 'button', onclick: () => table.reveal(slave.rank) },
  markIcon(lookOf(slave)), el('b', {}, slave.name), ` ${keepUnits(slave.outcome.text)}`,
  slave.remarks.length ? el('span', { class: 'notable-remark' }, keepUnits(slave.remarks[0])) : null));

// Slaves that did not succeed come first, since a reader looks for them first.
const showNotable = (round, table) => {
  const all = round.slaves.filter((slave) => slave.stands_out)
    .sort((a, b) => Number(a.outcome.succeeded) - Number(b.outcome.succeeded) || a.rank - b.rank);
  const host = byId('notable');
  host.hidden = all.length === 0;
  const rest = all.length - NOTABLE_SHOWN;
  host.replaceChildren(
    el('h2', {}, all.length === 1 ? '1 slave stands out' : `${formatCount(all.length)} slaves stand out`),
    el('ul', {}, ...all.slice(0, NOTABLE_SHOWN).map((slave) => notableButton(slave, table)),
      rest > 0 ? el('li', { class: 'more' }, el('button', { type: 'button', onclick: () => showOnlyNotable(table) }, `and ${formatCount(rest)} more`)) : null),
  );
};

const showOnlyNotable = (table) => {
  byId('only-standing-out').checked = true;
  table.refresh();
  byId('slaves-section').scrollIntoView();
  byId('only-standing-out').focus({ preventScroll: true });
};

class Page {
  constructor(report) {
    this.report = report;
    this.tooltip = new Tooltip(byId('tooltip'));
    this.table = new SlaveTable(byId('slaves'), {
      search: byId('search'), onlyNotable: byId('only-standing-out'), count: byId('shown-count'), form: byId('filter'),
    });
    this.timeline = new Timeline(byId('timeline'), this.tooltip, (rank) => this.table.reveal(rank));
    this.listen();
  }

  listen() {
    const click = (id, act) => byId(id).addEventListener('click', act);
    click('zoom-all', () => this.timeline.showAll());
    click('zoom-start', () => this.timeline.showStart());
    click('zoom-in', () => this.timeline.zoom(0.5));
    click('zoom-out', () => this.timeline.zoom(2));
    byId('timeline-order').addEventListener('change', (event) => this.timeline.sort(event.target.value));
    byId('skew-order').addEventListener('change', () => this.drawCharts());
    window.addEventListener('beforeprint', () => this.timeline.print(byId('timeline-print')));
    window.addEventListener('afterprint', () => byId('timeline-print').replaceChildren());
    new ResizeObserver(() => this.resized()).observe(byId('elapsed-chart'));
  }

  resized() {
    const width = byId('elapsed-chart').clientWidth;
    if (width !== this.chartWidth && width > 0) this.drawCharts();
  }

  drawCharts() {
    if (!this.round) return;
    this.chartWidth = byId('elapsed-chart').clientWidth;
    drawSkewChart(byId('skew-chart'), this.round, this.report.asked, byId('skew-order').value, this.tooltip);
    drawElapsedChart(byId('elapsed-chart'), this.round, this.tooltip);
  }

  showRound(round) {
    this.round = round;
    for (const button of document.querySelectorAll('#rounds button[data-round]')) {
      button.setAttribute('aria-pressed', String(Number(button.dataset.round) === round.round));
    }
    byId('round-sentence').textContent = keepUnits(round.sentence ?? '');
    showFigures(round, this.report.asked);
    showNotable(round, this.table);
    showLegend(round);
    this.showTimeline(round);
    this.drawCharts();
    byId('skew-words').textContent = visibleText(skewWords(round));
    byId('elapsed-words').textContent = visibleText(elapsedWords(round));
    this.table.show(round);
  }

  showTimeline(round) {
    const ran = hasTimes(round);
    byId('timeline-tools').hidden = !ran;
    byId('timeline-hint').hidden = !ran;
    byId('legend').hidden = !ran;
    byId('zoom-start').disabled = !startRange(round);
    byId('timeline-words').textContent = timelineWords(round, ran);
    byId('timeline-words').classList.toggle('empty', !ran);
    this.timeline.show(round);
  }

  showRounds() {
    const { rounds } = this.report;
    byId('rounds-section').hidden = rounds.length < 2;
    if (rounds.length < 2) return;
    const widest = most(rounds.map(({ skew }) => (skew ? skew.skew_ns + skew.uncertainty_ns : 0)), 1);
    const head = ['round', 'succeeded', 'skew', 'running together', 'skews compared'].map((title) => el('th', { scope: 'col' }, title));
    byId('rounds').replaceChildren(el('thead', {}, el('tr', {}, ...head)),
      el('tbody', {}, ...rounds.map((round) => this.roundRow(round, widest))));
  }

  roundRow(round, widest) {
    const button = el('button', { type: 'button', 'data-round': round.round, 'aria-pressed': 'false', onclick: () => this.showRound(round) }, `Round ${round.round}`);
    const { skew } = round;
    return el('tr', {}, el('th', { scope: 'row' }, button),
      el('td', {}, `${round.succeeded} of ${round.slaves.length}`),
      el('td', {}, hasSkew(round) ? formatWithUncertainty(skew.skew_ns, skew.uncertainty_ns) : UNKNOWN),
      el('td', {}, formatDuration(skew?.together_ns)), el('td', { class: 'round-skew' }, hasSkew(round) ? skewStrip(skew, widest) : null));
  }
}

const timelineWords = (round, ran) => {
  if (!ran) return 'No task was started in this round, so there is no timeline. The table below shows what happened to each slave.';
  const zero = isKnown(round.zero) ? `The first start was at ${formatTime(round.zero)} on the master\u2019s clock. ` : '';
  const ordered = isKnown(round.ordered_ns) && round.ordered_ns !== 0
    ? `The ordered start is ${formatDuration(Math.abs(round.ordered_ns))} ${round.ordered_ns < 0 ? 'before' : 'after'} the first start.` : '';
  return zero + ordered;
};

const skewStrip = (skew, widest) => {
  const x = (ns) => (Math.max(0, ns) / widest) * 196 + 2;
  const [low, high] = [x(skew.skew_ns - skew.uncertainty_ns), x(skew.skew_ns + skew.uncertainty_ns)];
  return svgEl('svg', { viewBox: '0 0 200 14', width: 200, height: 14, 'aria-hidden': 'true' },
    svgEl('rect', { x: 2, y: 3, height: 8, width: fixed(Math.max(x(skew.skew_ns) - 2, 1)), class: 'bin bin-ok' }),
    svgEl('path', { d: `M${fixed(low)} 7H${fixed(high)}M${fixed(low)} 4v6M${fixed(high)} 4v6`, class: 'chart-whisker strong' }));
};

// Slaves may have equal names. Their labels differ.
const callSlavesByLabels = (report) => {
  for (const round of report.rounds) for (const slave of round.slaves) slave.name = slave.label;
};

const startPage = () => {
  const report = JSON.parse(byId('report').textContent);
  callSlavesByLabels(report);
  showVerdict(report);
  showFacts(report);
  byId('footer').textContent = visibleText(`Written by ${report.program}. Times count from the first measured start, unless their label says otherwise.`);
  if (report.rounds.length === 0) return;
  byId('report-body').hidden = false;
  const page = new Page(report);
  page.showRounds();
  page.showRound(report.rounds[0]);
};

startPage();
document.documentElement.dataset.ready = 'true';
