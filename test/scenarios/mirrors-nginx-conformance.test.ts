/** The conformance suite over a directory mirror that real nginx serves, as an operator may have it. */
import { directorySubject, emptyMirror } from '../harness/directory-subject.ts';
import { startNginx } from '../harness/nginx.ts';
import { temporaryFolder } from '../harness/temporary.ts';
import { describeMirror } from '../mirrors/conformance.ts';

describeMirror('directory, behind nginx', async () => {
  const root = emptyMirror();
  const nginx = await startNginx({ folder: temporaryFolder(), root });
  return directorySubject(root, nginx.url);
});
