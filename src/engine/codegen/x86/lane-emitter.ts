/**
 * Lane programs as vector code: one vector of elements at a time, values in registers as long as possible, those that
 * are needed latest given up first. What lies in memory anyway (inputs, constants, values settled before a loop) is
 * read again rather than saved.
 */
import type { Extent } from '../../expr.ts';
import type { Instruction, LaneProgram } from '../../linearize.ts';
import type { LaneOperation } from './lane-operations.ts';
import { bitsOf, laneOperation } from './lane-operations.ts';
import type { Mem, Vec } from './operands.ts';
import type { Target } from './target.ts';

/** Where a value can be had without computing it. */
export type Origin =
  | { readonly in: 'memory'; readonly mem: Mem; readonly form: 'vector' | 'broadcast' }
  /** In a register that is the emitter's from now on. */
  | { readonly in: 'register'; readonly register: Vec }
  | { readonly in: 'code'; load(d: Vec): void };

/** What happens to a result, as soon as it is there. */
export interface Sink {
  readonly value: number;
  /** Numbers of the inputs whose memory it overwrites. */
  readonly overwrites: readonly number[];
  take(register: Vec): void;
}

/** The origin of an `input` or `index`. */
export type Locate = (i: Instruction) => Origin;

export interface LaneEmitter {
  /** Computes what spreads no further than `extents` and is needed beyond, and keeps it in the frame. */
  settle(extents: readonly Extent[], locate: Locate, registers: readonly Vec[]): void;
  /** Computes one vector; returns the registers that are free afterwards: those given, and those of origins. */
  emit(locate: Locate, registers: readonly Vec[], sinks: readonly Sink[]): Vec[];
  /** An emitter that knows what this one has settled, and forgets its own. */
  inner(): LaneEmitter;
}

const isConstant = (i: Instruction): boolean => i.op === 'const' || i.op === 'iconst';

export function createLaneEmitter(target: Target, program: LaneProgram): LaneEmitter {
  // The bits of a lane are the lane.
  const roots = program.code.map((_, n) => n);
  for (const [n, i] of program.code.entries()) {
    if (i.op === 'bits' || i.op === 'float') roots[n] = roots[i.args[0] ?? -1] ?? -1;
  }
  const operations = new Map<number, LaneOperation>();
  const operation = (n: number): LaneOperation => {
    const known = operations.get(n);
    if (known !== undefined) return known;
    const made = laneOperation(target.asm, target.isa, program, instructionOf(program, n));
    const rooted = { ...made, args: made.args.map((a) => roots[a] ?? -1) };
    operations.set(n, rooted);
    return rooted;
  };
  return scope({ target, program, roots, operation }, new Map());
}

interface Lanes {
  readonly target: Target;
  readonly program: LaneProgram;
  readonly roots: readonly number[];
  operation(n: number): LaneOperation;
}

function instructionOf(program: LaneProgram, n: number): Instruction {
  const found = program.code[n];
  if (found === undefined) throw new Error(`no instruction ${n}`);
  return found;
}

function scope(lanes: Lanes, outer: ReadonlyMap<number, Origin>): LaneEmitter {
  const settled = new Map(outer);
  const { program, roots, target } = lanes;
  return {
    inner: () => scope(lanes, settled),
    emit: (locate, registers, sinks) =>
      target.frame.scoped(() => emitVector(lanes, settled, locate, registers, sinks)),
    settle(extents, locate, registers) {
      const isIn = (n: number): boolean => extents.includes(instructionOf(program, n).extent);
      // A row's or column's inputs are as near in their vectors.
      const isLeft = (n: number): boolean => {
        const i = instructionOf(program, n);
        const near = isConstant(i) || (i.op === 'input' && i.extent !== 'scalar');
        return isIn(n) && !near && !settled.has(n) && roots[n] === n;
      };
      const needed = new Set(program.results.map((r) => roots[r] ?? -1));
      for (const [n, i] of program.code.entries()) {
        if (roots[n] === n && !isIn(n)) for (const a of i.args) needed.add(roots[a] ?? -1);
      }
      const values = [...needed].filter(isLeft);
      const places = values.map((n) => [n, target.frame.vector()] as const);
      emitVector(
        lanes,
        settled,
        locate,
        registers,
        places.map(([value, mem]) => ({
          value,
          overwrites: [],
          take: (register) => target.v.store('vmovaps', mem, register),
        })),
      );
      for (const [n, mem] of places) settled.set(n, { in: 'memory', mem, form: 'vector' });
    },
  };
}

/** The instructions that have to be computed for some values, in order. */
function needed(lanes: Lanes, settled: ReadonlyMap<number, Origin>, values: readonly number[]): number[] {
  const found = new Set<number>();
  const visit = (n: number): void => {
    const i = instructionOf(lanes.program, n);
    if (found.has(n) || settled.has(n) || isConstant(i) || i.op === 'input' || i.op === 'index') return;
    for (const a of lanes.operation(n).args) visit(a);
    found.add(n);
  };
  values.forEach(visit);
  return [...found].sort((a, b) => a - b);
}

function emitVector(
  lanes: Lanes,
  settled: ReadonlyMap<number, Origin>,
  locate: Locate,
  registers: readonly Vec[],
  given: readonly Sink[],
): Vec[] {
  const { target, program, roots } = lanes;
  const { asm, v } = target;
  const sinks = given.map((s) => ({ ...s, value: roots[s.value] ?? -1 }));
  const order = needed(
    lanes,
    settled,
    sinks.map((s) => s.value),
  );

  /** When each value is used, in half steps: instruction i at 2·i, what follows it at 2·i + 1. */
  const uses = new Map<number, number[]>();
  const use = (n: number, time: number): void => {
    const times = uses.get(n);
    if (times === undefined) uses.set(n, [time]);
    else times.push(time);
  };
  for (const n of order) for (const a of lanes.operation(n).args) use(a, 2 * n);
  const computed = new Set(order);
  const sinkTime = (s: Sink): number => (computed.has(s.value) ? 2 * s.value + 1 : -1);
  for (const s of sinks) use(s.value, sinkTime(s));
  for (const times of uses.values()) times.sort((a, b) => a - b);
  const nextUse = (n: number, after: number): number =>
    uses.get(n)?.find((time) => time > after) ?? Number.POSITIVE_INFINITY;

  const origins = new Map<number, Origin | null>();
  const originOf = (n: number): Origin | null => {
    const known = origins.get(n);
    if (known !== undefined) return known;
    const i = instructionOf(program, n);
    let origin = settled.get(n) ?? null;
    if (isConstant(i)) {
      const bits = i.op === 'const' ? bitsOf(i.immediate) : i.immediate;
      origin = { in: 'memory', mem: asm.replicated(bits), form: 'vector' };
    } else if (origin === null && (i.op === 'input' || i.op === 'index')) origin = locate(i);
    origins.set(n, origin);
    return origin;
  };

  const held = new Map<number, Vec>();
  const free = [...registers];
  // Registers that come with values are theirs until the last use.
  for (const n of uses.keys()) {
    const origin = originOf(n);
    if (origin?.in !== 'register') continue;
    held.set(n, origin.register);
    origins.set(n, null);
  }

  const giveUp = (pinned: ReadonlySet<Vec>, time: number): Vec => {
    let victim = -1;
    let latest = -1;
    for (const [n, register] of held) {
      if (pinned.has(register)) continue;
      const next = nextUse(n, time);
      if (next > latest) [victim, latest] = [n, next];
    }
    const register = held.get(victim);
    if (register === undefined) throw new Error('an expression needs more registers than there are');
    if (originOf(victim) === null && latest < Number.POSITIVE_INFINITY) {
      const mem = target.frame.vector();
      v.store('vmovaps', mem, register);
      origins.set(victim, { in: 'memory', mem, form: 'vector' });
    }
    held.delete(victim);
    return register;
  };
  const take = (pinned: ReadonlySet<Vec>, time: number): Vec => free.pop() ?? giveUp(pinned, time);

  const load = (n: number, pinned: Set<Vec>, time: number): Vec => {
    const known = held.get(n);
    if (known !== undefined) {
      pinned.add(known);
      return known;
    }
    const origin = originOf(n);
    if (origin === null || origin.in === 'register') throw new Error(`value ${n} was lost`);
    const register = take(pinned, time);
    if (origin.in === 'code') origin.load(register);
    else v.two(origin.form === 'vector' ? 'vmovups' : 'vbroadcastss', register, origin.mem);
    held.set(n, register);
    pinned.add(register);
    return register;
  };
  const release = (n: number, time: number): void => {
    const register = held.get(n);
    if (register === undefined || nextUse(n, time) < Number.POSITIVE_INFINITY) return;
    held.delete(n);
    free.push(register);
  };
  const inMemory = (n: number): Mem | null => {
    const origin = originOf(n);
    return origin?.in === 'memory' && origin.form === 'vector' ? origin.mem : null;
  };

  const flush = (time: number): void => {
    for (const s of sinks) {
      if (sinkTime(s) !== time) continue;
      const pinned = new Set<Vec>();
      // Other uses of what is about to be overwritten need it first.
      for (const n of s.overwrites.map((o) => roots[o] ?? -1)) {
        if (
          nextUse(n, time) === Number.POSITIVE_INFINITY &&
          !sinks.some((t) => t !== s && t.value === n && sinkTime(t) === time)
        )
          continue;
        load(n, pinned, time);
        origins.set(n, null);
        pinned.clear();
      }
      s.take(load(s.value, pinned, time));
    }
    for (const s of sinks) if (sinkTime(s) === time) release(s.value, time);
  };

  flush(-1);
  for (const n of order) {
    const time = 2 * n;
    const op = lanes.operation(n);
    const pinned = new Set<Vec>();
    let args = op.args;
    const [first = -1, second = -1] = args;
    if (op.commutative && !held.has(first) && held.has(second)) args = [second, first, ...args.slice(2)];
    for (const a of args) {
      const register = held.get(a);
      if (register !== undefined) pinned.add(register);
    }
    const sources = args.map((a, position) => {
      const mem = position === op.memory && !held.has(a) ? inMemory(a) : null;
      const once = nextUse(a, time) === Number.POSITIVE_INFINITY;
      if (mem !== null && (once || free.length === 0)) return mem;
      return load(a, pinned, time);
    });
    const tied = op.tied < 0 ? null : (args[op.tied] ?? null);
    const dying = (tied === null ? args : [tied]).find(
      (a) => held.has(a) && nextUse(a, time) === Number.POSITIVE_INFINITY,
    );
    let d: Vec;
    if (dying !== undefined) {
      d = held.get(dying) ?? -1;
      held.delete(dying);
    } else {
      d = take(pinned, time);
      if (tied !== null) v.move(d, held.get(tied) ?? -1);
    }
    op.emit(d, sources);
    held.set(n, d);
    for (const a of args) release(a, time);
    flush(time + 1);
    release(n, time + 1);
  }
  return [...free, ...held.values()];
}
