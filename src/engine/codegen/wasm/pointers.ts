/**
 * Where a kernel is in its domain. Buffers that lie in it alike share one pointer, an i32 that moves with the rows and
 * panels; a buffer's own offset, the row within a tile and the column within a panel are constants in the instruction.
 */
import type { BufferId, Dim, Grid, Source, Store, View } from '../../kernels.ts';
import { rowsPerSample } from '../../kernels.ts';
import type { LaneProgram } from '../../linearize.ts';
import type { Code, Local } from './assembler.ts';
import type { Target } from './target.ts';
import { bufferOf, FLOAT_BYTES, panelBytes, rowBytes } from './target.ts';

/** From one row of the domain to the next, from one line of the grid to the next, from one sample to the next. */
export interface Steps {
  readonly x: number;
  readonly y: number;
  readonly sample: number;
}

export interface Pointer extends Steps {
  /** From one column to the next within a panel, and from one panel to the next. */
  readonly column: number;
  readonly panel: number;
  /** An address; otherwise it counts rows or columns. */
  readonly address: boolean;
}

export interface Domain {
  readonly rows: Dim;
  readonly grid: Grid | undefined;
}

/** The domain's pointers with their current locals, and the static distance from there. */
export interface Place {
  readonly locals: readonly Local[];
  /** Rows along the line. */
  readonly row: number;
  readonly column: number;
}

export interface Pointers {
  readonly all: readonly Pointer[];
  /** Pushes four elements of a source; a scalar or a row's value four times. */
  load(code: Code, source: Source, at: Place): void;
  /** Where four elements of a matrix, or of a vector along the columns, are. */
  element(buffer: BufferId, view: View | undefined, at: Place): { local: Local; bytes: number };
  /** Where the row's element of a vector is. */
  row(buffer: BufferId, at: Place): { local: Local; bytes: number };
  /** Pushes the numbers of four elements' row or columns. */
  index(code: Code, axis: 'row' | 'col', at: Place): void;
}

const NONE: Steps = { x: 0, y: 0, sample: 0 };

/** A matrix whose rows are the domain's own. */
const natural = (grid: Grid | undefined, rows: Dim): View => {
  const width = grid?.width ?? rowsPerSample(rows) ?? 1;
  return { offset: 0, yStride: width, xStride: 1 };
};

/** How a matrix moves with the domain, seen through a view or as it lies. */
export function matrixSteps(target: Target, domain: Domain, buffer: BufferId, view?: View): Steps {
  const { yStride, xStride } = view ?? natural(domain.grid, domain.rows);
  const rows =
    view === undefined ? (rowsPerSample(domain.rows) ?? 1) : rowsPerSample(bufferOf(target, buffer).rows);
  if (rows === null) throw new Error(`buffer ${buffer} has no samples to view`);
  const line = rowBytes(target);
  return { x: xStride * line, y: yStride * line, sample: rows * line };
}

export function collectPointers(
  target: Target,
  domain: Domain,
  kernel: {
    readonly columns: Dim;
    readonly bindings: readonly { readonly source: Source }[];
    readonly stores: readonly Store[];
    readonly program: LaneProgram;
  },
): Pointers {
  const all: Pointer[] = [];
  const pointer = (p: Pointer): number => {
    const same = (q: Pointer): boolean =>
      q.x === p.x &&
      q.y === p.y &&
      q.sample === p.sample &&
      q.column === p.column &&
      q.panel === p.panel &&
      q.address === p.address;
    const known = all.findIndex(same);
    return known >= 0 ? known : all.push(p) - 1;
  };
  const { panel } = target.plan;
  const manyPanels = typeof kernel.columns !== 'number' || kernel.columns > panel;
  const rows = rowsPerSample(domain.rows) ?? 1;
  const width = domain.grid?.width ?? rows;
  const along = (unit: number): Steps => ({ x: unit, y: width * unit, sample: rows * unit });

  const matrix = (buffer: BufferId, view: View | undefined): number => {
    const info = bufferOf(target, buffer);
    const steps = matrixSteps(target, domain, buffer, view);
    const toPanel = manyPanels ? panelBytes(target, info) : 0;
    return pointer({ ...steps, column: FLOAT_BYTES, panel: toPanel, address: true });
  };
  const column = (unit: number, address: boolean): number =>
    pointer({ ...NONE, column: unit, panel: manyPanels ? panel * unit : 0, address });
  const alongRows = (unit: number, address: boolean): number =>
    pointer({ ...along(unit), column: 0, panel: 0, address });
  const elements = (buffer: BufferId, view: View | undefined): number =>
    bufferOf(target, buffer).kind === 'matrix' ? matrix(buffer, view) : column(FLOAT_BYTES, true);

  for (const { source } of kernel.bindings) {
    if (source.from === 'stepInput' || source.extent === 'scalar') continue;
    if (source.extent === 'row') alongRows(FLOAT_BYTES, true);
    else if (source.extent === 'col') column(FLOAT_BYTES, true);
    else matrix(source.buffer, source.view);
  }
  for (const { target: to, reduce } of kernel.stores) {
    if (to.to === 'stepOutput') continue;
    if (reduce?.to === 'row') alongRows(FLOAT_BYTES, true);
    else if (reduce?.to === 'col') column(FLOAT_BYTES, true);
    else elements(to.buffer, to.view);
  }
  for (const { op, extent } of kernel.program.code) {
    if (op !== 'index') continue;
    if (extent === 'row') alongRows(1, false);
    else column(1, false);
  }
  const frozen = all.length;

  const local = (at: Place, n: number): Local => {
    const found = at.locals[n];
    if (found === undefined || n >= frozen) throw new Error('a pointer was not collected');
    return found;
  };
  const element: Pointers['element'] = (buffer, view, at) => {
    const n = elements(buffer, view);
    const rowsAway = (view?.offset ?? 0) * rowBytes(target) + at.row * (all[n]?.x ?? 0);
    const bytes = bufferOf(target, buffer).offset + rowsAway + at.column * FLOAT_BYTES;
    return { local: local(at, n), bytes };
  };
  const row: Pointers['row'] = (buffer, at) => ({
    local: local(at, alongRows(FLOAT_BYTES, true)),
    bytes: bufferOf(target, buffer).offset + at.row * FLOAT_BYTES,
  });

  return {
    all,
    element,
    row,
    load: (code, source, at) => {
      if (source.from === 'stepInput') {
        code.getGlobal(target.step.inputs);
        code.memory('v128.load32_splat', source.slot * FLOAT_BYTES);
        return;
      }
      const { offset } = bufferOf(target, source.buffer);
      if (source.extent === 'scalar') {
        code.getGlobal(target.step.arena);
        code.memory('v128.load32_splat', offset);
      } else if (source.extent === 'row') {
        const from = row(source.buffer, at);
        code.get(from.local);
        code.memory('v128.load32_splat', from.bytes);
      } else if (source.extent === 'col') {
        code.get(local(at, column(FLOAT_BYTES, true)));
        code.memory('v128.load', offset + at.column * FLOAT_BYTES);
      } else {
        const from = element(source.buffer, source.view, at);
        code.get(from.local);
        code.memory('v128.load', from.bytes);
      }
    },
    index: (code, axis, at) => {
      const byRow = axis === 'row';
      code.get(local(at, byRow ? alongRows(1, false) : column(1, false)));
      code.op('i32x4.splat');
      const first = byRow ? at.row : at.column;
      const lane = byRow ? 0 : 1;
      code.v128([first, first + lane, first + 2 * lane, first + 3 * lane]);
      code.op('i32x4.add');
    },
  };
}
