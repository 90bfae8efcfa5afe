// The table of slaves: sorting, searching, and details that are built when a reader opens them.

const sumKnown = (a, b) => (isKnown(a) && isKnown(b) ? a + b : a ?? b ?? null);

const COLUMNS = [
  { key: 'rank', title: 'rank', number: true, value: (s) => s.rank, text: (s) => String(s.rank) },
  { key: 'name', title: 'name', clip: true, value: (s) => s.name, text: (s) => s.name },
  { key: 'address', title: 'address', clip: true, value: (s) => s.address, text: (s) => s.address },
  { key: 'start', title: 'start', hint: 'relative to the first start, with its uncertainty', number: true, value: (s) => s.start?.at_ns, text: startText },
  { key: 'elapsed', title: 'elapsed', number: true, value: (s) => s.elapsed_ns, text: (s) => formatDuration(s.elapsed_ns) },
  { key: 'cpu', title: 'CPU', hint: 'CPU time, user and system', number: true, value: (s) => cpuOf(s), text: (s) => formatDuration(cpuOf(s)) },
  { key: 'memory', title: 'peak memory', number: true, value: (s) => s.usage?.peak_memory_bytes, text: (s) => formatBytes(s.usage?.peak_memory_bytes) },
  { key: 'steal', title: 'steal', hint: 'time in which the guest was ready to run but the hypervisor did not run it', number: true, value: (s) => s.guest?.steal_ns, text: (s) => formatDuration(s.guest?.steal_ns) },
  { key: 'outcome', title: 'how it ended', value: (s) => s.outcome.text, text: (s) => keepUnits(s.outcome.text) },
  { key: 'remarks', title: 'remarks', value: (s) => (s.remarks.length ? s.remarks.join('\n') : null), text: (s) => s.remarks.join('\n') },
];

const cpuOf = (slave) => sumKnown(slave.usage?.cpu_user_ns, slave.usage?.cpu_system_ns);

const compareValues = (a, b) => (typeof a === 'number' ? a - b : COLLATOR.compare(a, b));

// Unknown values come last in either direction; ties keep the order of the ranks.
const sortedEntries = (entries, column, direction) => entries
  .map((entry) => ({ entry, value: column.value(entry.slave) }))
  .sort((a, b) => {
    if (!isKnown(a.value) || !isKnown(b.value)) return Number(!isKnown(a.value)) - Number(!isKnown(b.value));
    return direction * compareValues(a.value, b.value);
  })
  .map(({ entry }) => entry);

const searchText = (slave) => [slave.name, slave.address, slave.outcome.text, lookOf(slave), ...slave.remarks, slave.output?.tail ?? '', slave.errors?.tail ?? '', slave.last_lines ?? '']
  .join('\n').toLowerCase();

class SlaveTable {
  constructor(table, controls) {
    this.table = table;
    this.controls = controls;
    this.sort = { key: 'rank', direction: 1 };
    this.body = el('tbody');
    table.replaceChildren(this.buildHead(), this.body);
    this.listen();
  }

  listen() {
    const { search, onlyNotable, form } = this.controls;
    search.addEventListener('input', () => this.refresh());
    onlyNotable.addEventListener('change', () => this.refresh());
    form.addEventListener('submit', (event) => event.preventDefault());
    this.body.addEventListener('click', (event) => {
      const row = event.target.closest('tr[data-rank]');
      if (row && event.target.closest('button.unfold')) this.toggle(this.entryOf(row));
    });
  }

  buildHead() {
    this.headers = COLUMNS.map((column) => {
      const button = el('button', { type: 'button', 'data-sort': column.key, title: column.hint, onclick: () => this.sortBy(column.key) },
        column.title, el('span', { class: 'sort-sign', 'aria-hidden': 'true' }));
      return el('th', { scope: 'col', class: `col-${column.key}${column.number ? ' number' : ''}` }, button);
    });
    return el('thead', {}, el('tr', {}, el('td', { class: 'col-unfold' }), ...this.headers));
  }

  show(round) {
    this.entries = round.slaves.map((slave) => ({ slave, row: this.buildRow(slave), detail: null }));
    this.byRank = new Map(this.entries.map((entry) => [entry.slave.rank, entry]));
    this.refresh();
  }

  entryOf(row) {
    return this.byRank.get(Number(row.dataset.rank));
  }

  buildRow(slave) {
    const look = lookOf(slave);
    const unfold = el('button', { type: 'button', class: 'unfold', 'aria-expanded': 'false', 'aria-label': `details of ${slave.name}` });
    return el('tr', { 'data-rank': slave.rank, 'data-look': look, class: slave.stands_out ? 'stands-out' : null },
      el('td', { class: 'col-unfold' }, unfold), ...COLUMNS.map((column) => this.buildCell(column, slave, look)));
  }

  buildCell(column, slave, look) {
    const attributes = { class: `col-${column.key}${column.number ? ' number' : ''}` };
    if (column.clip) attributes.title = slave[column.key].length > 24 ? visibleText(slave[column.key]) : null;
    if (column.key === 'outcome') return el('td', { class: `${attributes.class} look-${look}` }, markIcon(look), column.text(slave));
    if (column.key === 'name') return el('th', { ...attributes, scope: 'row' }, el('bdi', {}, slave.name), slave.original ? el('span', { class: 'tag', title: 'this slave speaks only version 1 of the protocol' }, 'original') : null);
    if (column.key === 'remarks') return el('td', attributes, ...slave.remarks.map((remark) => el('div', {}, keepUnits(remark))));
    if (column.key === 'address') return el('td', attributes, el('bdi', {}, slave.address));
    return el('td', attributes, column.text(slave));
  }

  sortBy(key) {
    const again = this.sort.key === key;
    this.sort = { key, direction: again ? -this.sort.direction : 1 };
    this.refresh();
  }

  matches({ slave }, words, onlyNotable) {
    if (onlyNotable && !slave.stands_out) return false;
    return words.every((word) => this.textOf(slave).includes(word));
  }

  textOf(slave) {
    this.texts ??= new WeakMap();
    if (!this.texts.has(slave)) this.texts.set(slave, searchText(slave));
    return this.texts.get(slave);
  }

  refresh() {
    const words = this.controls.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const column = COLUMNS.find(({ key }) => key === this.sort.key);
    const shown = this.entries.filter((entry) => this.matches(entry, words, this.controls.onlyNotable.checked));
    const rows = sortedEntries(shown, column, this.sort.direction)
      .flatMap((entry) => (entry.detail ? [entry.row, entry.detail] : [entry.row]));
    if (rows.length === 0) rows.push(el('tr', { class: 'none' }, el('td', { colspan: COLUMNS.length + 1 }, 'No slave matches.')));
    this.body.replaceChildren(...rows);
    this.markHeaders();
    this.controls.count.textContent = `${formatCount(shown.length)} of ${formatCount(this.entries.length)} shown`;
  }

  markHeaders() {
    this.headers.forEach((header, index) => {
      if (COLUMNS[index].key !== this.sort.key) header.removeAttribute('aria-sort');
      else header.setAttribute('aria-sort', this.sort.direction > 0 ? 'ascending' : 'descending');
    });
  }

  toggle(entry) {
    const button = entry.row.querySelector('button.unfold');
    if (entry.detail) {
      entry.detail.remove();
      entry.detail = null;
    } else {
      entry.detail = el('tr', { class: 'detail', id: `detail-${entry.slave.rank}`, 'data-detail-of': entry.slave.rank },
        el('td', { colspan: COLUMNS.length + 1 }, buildDetail(entry.slave)));
      entry.row.after(entry.detail);
    }
    button.setAttribute('aria-expanded', String(Boolean(entry.detail)));
  }

  // Brings one slave into view, unfolded, even where a filter hid it.
  reveal(rank) {
    const entry = this.byRank.get(rank);
    if (!entry.row.isConnected) this.clearFilter();
    if (!entry.detail) this.toggle(entry);
    this.body.querySelector('.revealed')?.classList.remove('revealed');
    entry.row.classList.add('revealed');
    entry.row.scrollIntoView({ block: 'center' });
    entry.row.querySelector('button.unfold').focus({ preventScroll: true });
  }

  clearFilter() {
    this.controls.search.value = '';
    this.controls.onlyNotable.checked = false;
    this.refresh();
  }
}

const factList = (facts, kind) => el('dl', { class: kind }, ...facts
  .filter(([, value]) => isKnown(value))
  .flatMap(([name, value]) => [el('dt', {}, name), el('dd', {}, value)]));

const clockFacts = (clock) => (clock ? [
  ['clock offset', `${decimalText(clock.offset_ns / SECOND, 6)}${NBSP}s${NBSP}±${NBSP}${formatDuration(clock.uncertainty_ns)}`],
  ['round trip', formatDuration(clock.round_trip_ns)],
] : [['clock offset', 'not measured']]);

const heldText = (slave) => {
  if (!isKnown(slave.held)) return 'not held';
  return isKnown(slave.held_ns) ? `${slave.held}, since ${formatDuration(slave.held_ns)}` : slave.held;
};

const usageFacts = (usage) => (usage ? [
  ['CPU user', formatDuration(usage.cpu_user_ns)],
  ['CPU system', formatDuration(usage.cpu_system_ns)],
  ['switches', `${formatCount(usage.voluntary_switches)} voluntary, ${formatCount(usage.involuntary_switches)} involuntary`],
] : []);

const guestFacts = (guest) => (guest ? [
  ['clock source', guest.clock_source ?? 'unknown'],
  ['clock stepped by', formatDuration(guest.clock_step_ns)],
  ['suspended for', formatDuration(guest.suspended_ns)],
] : []);

const detailFacts = (slave) => [
  ['name', slave.name],
  ['address', slave.address],
  ['held', heldText(slave)],
  ['released late by', slave.start ? formatDuration(slave.start.late_ns) : null],
  ['answered a probe after', isKnown(slave.answered_late_ns) ? formatDuration(slave.answered_late_ns) : null],
  ['end', isKnown(slave.end_ns) ? `${formatDuration(slave.end_ns)} after the first start` : null],
  ...clockFacts(slave.clock),
  ['started (its clock)', isKnown(slave.started) ? formatTime(slave.started) : null],
  ['finished (its clock)', isKnown(slave.finished) ? formatTime(slave.finished) : null],
  ...usageFacts(slave.usage),
  ...guestFacts(slave.guest),
];

const OUTPUT_WORDS = {
  stored: 'stored',
  fetched: 'fetched as a whole, but not stored in a file',
  cut: 'only the beginning was fetched',
  tail: 'only the end was fetched',
  failed: 'could not be fetched',
  unavailable: 'not available from an original slave',
};

// The master writes absolute paths. Any other text is not a link.
const fileLink = (file) => {
  if (!file.startsWith('/')) return el('code', {}, file);
  const href = `file://${file.split('/').map(encodeURIComponent).join('/')}`;
  return el('a', { href }, el('code', {}, file));
};

const outputFacts = (output) => [
  ['state', OUTPUT_WORDS[output.state] ?? output.state],
  ['why', output.why],
  ['stored in', isKnown(output.file) ? fileLink(output.file) : null],
  ['size', isKnown(output.bytes) ? `${formatBytes(output.bytes)}${output.bytes >= 1024 ? ` (${formatCount(output.bytes)} bytes)` : ''}` : null],
  ['blake3', isKnown(output.blake3) ? el('code', { class: 'digest' }, output.blake3) : null],
  ['kept on the slave at', isKnown(output.kept_at) ? el('code', {}, output.kept_at) : null],
];

// The streams of a task. The names are those in `last_lines_of`.
const streamsOf = (slave) => {
  const output = { name: 'output', title: 'Output', text: 'output', empty: 'The task printed nothing.' };
  if (!isKnown(slave.errors) && !isKnown(slave.errors_path)) return [output];
  return [
    { ...output, empty: 'The output is empty.' },
    { name: 'errors', title: 'Standard error', text: 'standard error', empty: 'Standard error is empty.' },
  ];
};

const buildStream = (slave, { name, title, text, empty }) => {
  const output = slave[name];
  const box = el('section', { class: 'detail-output' }, el('h3', {}, title));
  if (output) box.append(factList(outputFacts(output), 'detail-facts'));
  else box.append(el('p', { class: 'empty' }, `The ${text} of this slave was not fetched.`));
  // Of a failed task the slave sends the last lines, even if its output is not fetched.
  const tail = output?.tail ?? ((slave.last_lines_of ?? 'output') === name ? slave.last_lines : null);
  if (!isKnown(tail)) return box;
  if (tail === '') return addChildren(box, [el('p', { class: 'empty' }, empty)]);
  box.append(el('pre', { tabindex: '0', 'aria-label': `end of the ${text} of ${slave.name}` }, tail));
  return box;
};

const buildDetail = (slave) => el('div', { class: 'detail-box' },
  el('section', {}, el('h3', {}, 'Run'), factList(detailFacts(slave), 'detail-facts')),
  el('div', { class: 'detail-streams' }, ...streamsOf(slave).map((stream) => buildStream(slave, stream))));
