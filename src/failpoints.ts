// Named places at which a test lets a process or a training thread come to grief. Off, a place costs one look at a
// null. FAILPOINTS, read like every setting, arms them: `name=action`, or `name=action@n` for the n-th time only (the
// first unless told), several with commas. It is counted for the process and its threads together.
//
// FAILPOINTS='epochs.committed=kill@3' node dist/workers/trainer.js

const processActions = ['kill', 'stop', 'throw'] as const;
/** What ends or holds up a thread alone. */
const threadActions = ['trap', 'loop', 'exhaust'] as const;
const actions = [...processActions, ...threadActions] as const;
export type FailAction = (typeof actions)[number];

const points = {
  'submit.inserted': 'process',
  'submit.committed': 'process',
  'tickets.sent': 'process',
  'claim.before': 'process',
  'claim.after': 'process',
  'epochs.before': 'process',
  'epochs.committed': 'process',
  'checkpoint.before': 'process',
  'checkpoint.committed': 'process',
  'end.before': 'process',
  'end.committed': 'process',
  'release.before': 'process',
  'release.after': 'process',
  'reconcile.locked': 'process',
  'data.encoding': 'thread',
  'thread.step': 'thread',
  'checkpoint.encoded': 'thread',
  'checkpoint.sent': 'thread',
} as const satisfies Record<string, 'process' | 'thread'>;
export type FailpointName = keyof typeof points;

export interface Failpoint {
  readonly name: FailpointName;
  readonly action: FailAction;
  readonly at: number;
}

/** Armed points with how often each was passed, in memory that threads share. Structured-cloned to them. */
export interface ArmedFailpoints {
  readonly failpoints: readonly Failpoint[];
  readonly passed: Int32Array;
}

let armed: ArmedFailpoints | null = null;

/** Does nothing, unless it is armed and its time has come. */
export function failpoint(name: FailpointName): void {
  if (armed !== null) pass(name, armed);
}

/** Counts anew. An empty list disarms. */
export function armFailpoints(failpoints: readonly Failpoint[]): void {
  const passed = new Int32Array(new SharedArrayBuffer(failpoints.length * Int32Array.BYTES_PER_ELEMENT));
  armed = failpoints.length === 0 ? null : { failpoints, passed };
}

/** For a thread's start data. */
export function armedFailpoints(): ArmedFailpoints | null {
  return armed;
}

/** In a thread: counts together with the process that started it. */
export function joinFailpoints(given: ArmedFailpoints | null): void {
  armed = given;
}

/** Throws with what would be right. */
export function parseFailpoints(text: string): Failpoint[] {
  return text === '' ? [] : text.split(',').map(parseOne);
}

/** As `parseFailpoints` reads it. */
export function printFailpoints(failpoints: readonly Failpoint[]): string {
  return failpoints.map(({ name, action, at }) => `${name}=${action}@${at}`).join(',');
}

function parseOne(text: string): Failpoint {
  const [, name = '', action = '', at = '1'] = /^([\w.]+)=(\w+)(?:@([1-9]\d{0,8}))?$/.exec(text) ?? [];
  if (!isName(name)) {
    throw new Error(
      `name=action or name=action@n, several with commas, a name of ${Object.keys(points).join(', ')}`,
    );
  }
  const allowed = points[name] === 'thread' ? actions : processActions;
  const known = allowed.find((each) => each === action);
  if (known === undefined) {
    throw new Error(`${name}= with an action of ${allowed.join(', ')}`);
  }
  return { name, action: known, at: Number(at) };
}

function isName(name: string): name is FailpointName {
  return Object.hasOwn(points, name);
}

function pass(name: FailpointName, { failpoints, passed }: ArmedFailpoints): void {
  for (const [i, point] of failpoints.entries()) {
    if (point.name === name && Atomics.add(passed, i, 1) + 1 === point.at) act(point);
  }
}

function act({ name, action }: Failpoint): void {
  switch (action) {
    case 'kill':
    case 'stop':
      process.kill(process.pid, action === 'kill' ? 'SIGKILL' : 'SIGSTOP');
      // The signal may take effect a moment later, and nothing is to happen in between.
      rest(action === 'kill' ? Number.POSITIVE_INFINITY : 100);
      return;
    case 'throw':
      throw new Error(`the failpoint ${name} throws`);
    case 'trap':
      trap();
      return;
    case 'loop':
      for (;;) {}
    case 'exhaust':
      exhaust();
      return;
    default:
      action satisfies never;
  }
}

function rest(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** TypeScript declares WebAssembly with the DOM only, which is not here. */
interface WasmStart {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => object;
}

/** A WebAssembly module whose one function, its start, is `unreachable`. */
function trap(): void {
  const module = [
    [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    [0x01, 0x04, 0x01, 0x60, 0x00, 0x00],
    [0x03, 0x02, 0x01, 0x00],
    [0x08, 0x01, 0x00],
    [0x0a, 0x05, 0x01, 0x03, 0x00, 0x00, 0x0b],
  ].flat();
  const { Module, Instance } = (globalThis as unknown as { readonly WebAssembly: WasmStart }).WebAssembly;
  new Instance(new Module(new Uint8Array(module)));
}

/**
 * Heap, until V8 ends the thread. Not by built-ins: in a loop of built-in calls alone a newer V8 does not look whether
 * the thread is to end, allocates on, and ends the process.
 */
function exhaust(): void {
  const hoard: number[][] = [];
  for (;;) {
    const numbers = new Array<number>(1_000);
    for (let i = 0; i < numbers.length; i++) numbers[i] = hoard.length + i;
    hoard.push(numbers);
  }
}
