/** All hostile archives that have a name: what the gate, extraction and a node must refuse. */
import { MODE_ROWS, PATH_ROWS, ROOT_ROWS, type Row, TYPE_ROWS } from './hostile-entries.ts';
import { END_ROWS, NUMBER_ROWS, PAX_ROWS } from './hostile-formats.ts';
import { SPELLING_ROWS } from './hostile-spellings.ts';

export const ROWS: readonly Row[] = [
  ...ROOT_ROWS,
  ...TYPE_ROWS,
  ...MODE_ROWS,
  ...PATH_ROWS,
  ...NUMBER_ROWS,
  ...PAX_ROWS,
  ...END_ROWS,
  ...SPELLING_ROWS,
];
