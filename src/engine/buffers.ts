/** Declares a plan's buffers and places each of them once: regions one after another, every buffer on 64 bytes. */
import type { BufferId, BufferInfo, Dim } from './kernels.ts';
import { rowsPerSample, VIRTUAL_LANES } from './kernels.ts';

/** Buffers of one region lie next to each other, in the order of their declaration. */
export type Region = 'parameters' | 'slots' | 'work';
const REGIONS: readonly Region[] = ['parameters', 'slots', 'work'];

type Shape = Omit<BufferInfo, 'offset'>;

export interface BufferTable {
  /** `fill`: what every element holds at first; 0 unless told. */
  matrix(name: string, rows: Dim, columns: number, region?: Region, fill?: number): BufferId;
  vector(name: string, length: Dim, region?: Region): BufferId;
  shape(id: BufferId): Shape;
  place(): { buffers: readonly BufferInfo[]; arenaBytes: number };
}

const FLOAT_BYTES = 4;
const roundUp = (n: number, to: number): number => Math.ceil(n / to) * to;

/** `panel` is a multiple of 16 columns, so that every buffer's size is a multiple of 64 bytes. */
export function createBufferTable(batchSize: number, panel: number): BufferTable {
  const shapes: (Shape & { region: Region })[] = [];
  const extent = (d: Dim): number => (typeof d === 'number' ? d : batchSize * (rowsPerSample(d) ?? 1));

  const declare = (s: Omit<Shape, 'id' | 'byteLength'>, region: Region): BufferId => {
    const byteLength = s.capacityRows * s.capacityColumns * FLOAT_BYTES;
    return shapes.push({ ...s, id: shapes.length, byteLength, region }) - 1;
  };
  const shape = (id: BufferId): Shape => {
    const found = shapes[id];
    if (found === undefined) throw new Error(`no buffer ${id}`);
    return found;
  };

  return {
    shape,
    matrix: (name, rows, columns, region = 'work', fill = 0) => {
      const capacity = { capacityRows: extent(rows), capacityColumns: roundUp(columns, panel) };
      return declare({ name, kind: 'matrix', rows, columns, fill, ...capacity }, region);
    },
    vector: (name, length, region = 'work') => {
      const capacity = { capacityRows: 1, capacityColumns: roundUp(extent(length), VIRTUAL_LANES) };
      return declare({ name, kind: 'vector', rows: 1, columns: length, fill: 0, ...capacity }, region);
    },
    place: () => {
      const offsets = new Map<BufferId, number>();
      let arenaBytes = 0;
      for (const region of REGIONS) {
        for (const s of shapes) {
          if (s.region !== region) continue;
          offsets.set(s.id, arenaBytes);
          arenaBytes += s.byteLength;
        }
      }
      const buffers = shapes.map(({ region: _, ...s }) => ({ ...s, offset: offsets.get(s.id) ?? 0 }));
      return { buffers, arenaBytes };
    },
  };
}
