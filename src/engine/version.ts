/** An integer, raised whenever some training's bits change: equal versions give equal bits for equal recipes. */
export const engineVersion = '1';
