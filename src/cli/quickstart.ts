#!/usr/bin/env node
// `npm run quickstart`: the whole way once, through the same HTTP interface everyone uses.
import { processTerminal } from './terminal.ts';
import { runQuickstart } from './tour.ts';

process.exit(await runQuickstart({ terminal: processTerminal(process.env), env: process.env }));
