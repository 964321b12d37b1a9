/** A node stopped after every file operation: share 2 of 3 of the stories, beside the others. */
import { describeStops } from '../harness/crash-stops-suite.ts';

describeStops({ part: 1, parts: 3 });
