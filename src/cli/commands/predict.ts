import type { Command } from 'commander';
import { apiOf, type Context, jsonOption, runArgument, wholeNumber } from '../context.ts';
import { readRows } from '../rows-file.ts';
import { formatNumber, formatTable, safeText } from '../text.ts';
import type { WirePrediction } from '../wire.ts';

/** `trainyard predict`: raw rows in, predictions out, beside the truth if the file holds it. */
export function addPredict(program: Command, context: Context): void {
  program
    .command('predict')
    .summary("predict with a run's weights")
    .description(
      "Predicts with a run's weights on raw rows, as they are before any preprocessing. " +
        'When the file holds the target column too, it is shown beside the prediction.',
    )
    .addArgument(runArgument())
    .requiredOption('--data <file>', 'rows as .csv with a header, or .json')
    .option('--limit <n>', 'only the first rows', wholeNumber, 1000)
    .addOption(jsonOption())
    .action(
      async (id: string, options: { data: string; limit: number; json?: boolean }, command: Command) => {
        const { terminal } = context;
        const api = apiOf(command, context);
        const run = await api.getRun(id);
        const about = run.spec?.data;
        const dataset = about ? await api.getDataset(about.dataset) : null;
        const shape = { target: about?.target ?? '', features: about?.features, dataset };
        const { rows, truths } = readRows(options.data, shape, options.limit);
        const predictions = await api.predict(run.id, rows);
        if (options.json) terminal.write(`${JSON.stringify(predictions)}\n`);
        else terminal.write(`${predictionTable(predictions, truths).join('\n')}\n`);
      },
    );
}

/** Columns: row (from 1), prediction, probability, and truth where it is known. */
export function predictionTable(
  predictions: readonly WirePrediction[],
  truths: readonly string[] | null,
): string[] {
  const hasProbability = predictions.some((prediction) => prediction.probabilities);
  const head = [
    'row',
    'prediction',
    ...(hasProbability ? ['probability'] : []),
    ...(truths ? ['truth'] : []),
  ];
  const rows = predictions.map(({ value, probabilities }, i) => {
    const probability = probabilities?.[String(value)];
    return [
      String(i + 1),
      typeof value === 'number' ? formatNumber(value) : safeText(value),
      ...(hasProbability ? [probability === undefined ? '' : probability.toFixed(4)] : []),
      ...(truths ? [safeText(truths[i] ?? '')] : []),
    ];
  });
  const table = formatTable([head, ...rows], new Set([0, 1, 2, 3]));
  const isClass = truths !== null && predictions.every(({ value }) => typeof value === 'string');
  if (!isClass) return table;
  const right = predictions.filter(({ value }, i) => value === truths[i]).length;
  return [...table, `${right} of ${predictions.length} as in the file`];
}
