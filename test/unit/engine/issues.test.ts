import { describe, expect, it } from 'vitest';
import { didYouMean, listWords, pointerTo, quote, suggestion } from '../../../src/engine/issues.ts';

describe('pointerTo', () => {
  it('names the place in the document', () => {
    expect(pointerTo(['model', 'layers', 0, 'units'])).toBe('#/model/layers/0/units');
    expect(pointerTo([])).toBe('#');
  });

  it('escapes as RFC 6901 asks for fragments', () => {
    expect(pointerTo(['a/b', 'c~d', 'e%f', 'g h', 'k"l', ' '])).toBe('#/a~1b/c~0d/e%25f/g%20h/k%22l/%20');
    expect(pointerTo(['a:b=c', 'ä'])).toBe('#/a:b=c/%C3%A4');
  });

  it('survives a lone surrogate', () => {
    expect(pointerTo(['rows', 0, '\ud800'])).toBe('#/rows/0/%EF%BF%BD');
  });
});

describe('didYouMean', () => {
  it.each([
    ['untis', ['units', 'kind'], 'units'],
    ['relo', ['relu', 'tanh'], 'relu'],
    ['ReLU', ['relu', 'tanh'], 'relu'],
    ['petal_lenght', ['petal_length', 'petal_width'], 'petal_length'],
    ['learning_rate', ['learningRate', 'momentum'], 'learningRate'],
  ])('%s → %s', (word, candidates, meant) => {
    expect(didYouMean(word, candidates)).toBe(meant);
  });

  it.each([
    ['xyz', ['relu', 'tanh']],
    ['a', ['b']],
    ['', ['a']],
    ['x'.repeat(100_000), ['x']],
    ['relu', []],
  ])('offers nothing that is not near: %#', (word, candidates) => {
    expect(didYouMean(word, candidates)).toBeNull();
  });

  it('takes the nearest of several', () => {
    expect(didYouMean('p00', ['p01x', 'p0', 'p01', 'p000'])).toBe('p0');
  });
});

it('puts the suggestion into words', () => {
  expect(suggestion('sgdd', ['sgd', 'adam'])).toBe(' (did you mean "sgd"?)');
  expect(suggestion('qqqqq', ['sgd'])).toBe('');
});

it('quotes values from outside without letting them run on', () => {
  expect(quote('a"\n')).toBe('"a\\"\\n"');
  expect(quote('x'.repeat(1000)).length).toBeLessThan(70);
  expect(quote(undefined)).toBe('undefined');
});

it('lists words up to a limit', () => {
  expect(listWords(['a', 'b', 'c'], 2)).toBe('"a", "b" and 1 more');
});
