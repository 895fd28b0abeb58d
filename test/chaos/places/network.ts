// A network namespace with one wire to each server, whose packets can be dropped. Neither end hears of it: they go on
// being sent, to an address of the other's that is not its own, and are thrown away on arrival.
import { execFileSync } from 'node:child_process';
import { networkInterfaces } from 'node:os';

const wires = ['postgres', 'redis'] as const;
export type Wire = (typeof wires)[number];

export interface Network {
  /** The server's address on its wire. */
  addressOf(wire: Wire): string;
  /** What to start instead, for it to run inside. */
  inside(command: string, args: readonly string[]): readonly [string, readonly string[]];
  drop(wire: Wire): void;
  pass(wire: Wire): void;
  /** Once nothing runs inside. Once is enough. */
  remove(): void;
}

interface End {
  readonly device: string;
  readonly address: string;
  readonly hardware: string;
  /** Options of `ip` that put it in its namespace. */
  readonly at: readonly string[];
}

/** Nobody has it: the bit says that it was given locally. */
const nowhere = '02:00:00:00:00:00';
/** For measuring between networks (RFC 2544), hence on no real one. Four addresses for each wire. */
const subnets = 2 ** 15;

let count = 0;

/** Throws where the machine does not allow it. */
export function openNetwork(): Network {
  count++;
  const name = `trainyard-chaos-${process.pid}-${count}`;
  const laid = new Map<Wire, readonly [outer: End, inner: End]>();
  let removed = false;
  const remove = () => {
    if (removed) return;
    removed = true;
    for (const [{ device }] of laid.values()) ip('link', 'del', device);
    ip('netns', 'del', name);
  };
  const point = (wire: Wire, hardwareOf: (end: End) => string) => {
    const [outer, inner] = endsOf(wire);
    pointTo(outer, inner.address, hardwareOf(inner));
    pointTo(inner, outer.address, hardwareOf(outer));
  };
  const endsOf = (wire: Wire) => {
    const ends = laid.get(wire);
    if (ends === undefined) throw new Error(`there is no wire to ${wire}`);
    return ends;
  };
  ip('netns', 'add', name);
  try {
    ip('-n', name, 'link', 'set', 'lo', 'up');
    for (const [i, wire] of wires.entries()) {
      laid.set(wire, layWire(name, `ty${process.pid.toString(36)}x${count}${'ab'[i]}`));
      point(wire, ({ hardware }) => hardware);
    }
  } catch (error) {
    remove();
    throw error;
  }
  return {
    addressOf: (wire) => endsOf(wire)[0].address,
    inside: (command, args) => ['ip', ['netns', 'exec', name, command, ...args]],
    drop: (wire) => point(wire, () => nowhere),
    pass: (wire) => point(wire, ({ hardware }) => hardware),
    remove,
  };
}

function layWire(namespace: string, device: string): readonly [End, End] {
  const innerDevice = `${device}i`;
  ip('link', 'add', device, 'type', 'veth', 'peer', 'name', innerDevice, 'netns', namespace);
  const [outerAddress, innerAddress] = freeAddresses();
  return [raise([], device, outerAddress), raise(['-n', namespace], innerDevice, innerAddress)];
}

function raise(at: readonly string[], device: string, address: string): End {
  ip(...at, 'address', 'add', `${address}/30`, 'dev', device);
  ip(...at, 'link', 'set', device, 'up');
  const [link] = JSON.parse(ip(...at, '-json', 'link', 'show', 'dev', device));
  return { device, address, hardware: link.address, at };
}

function pointTo({ device, at }: End, address: string, hardware: string): void {
  ip(...at, 'neighbour', 'replace', address, 'lladdr', hardware, 'dev', device, 'nud', 'permanent');
}

/** A pair of a subnet that no device of this machine has, begun at one that other processes do not begin at. */
function freeAddresses(): readonly [string, string] {
  const taken = new Set(
    Object.values(networkInterfaces()).flatMap((found) => found?.map(({ address }) => address) ?? []),
  );
  for (let i = 0; i < subnets; i++) {
    const first = (((process.pid * 64 + i) % subnets) << 2) + 1;
    const address = (number: number) => `198.${18 + (number >> 16)}.${(number >> 8) & 255}.${number & 255}`;
    if (!taken.has(address(first))) return [address(first), address(first + 1)];
  }
  throw new Error('no addresses are free for a wire');
}

function ip(...args: readonly string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}
