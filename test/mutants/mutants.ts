/*
 * Ways to break the service on purpose, each with the test that has to notice. A test that stays green over one of these
 * proves nothing about what it is named for. Where a campaign (test/crash) is cheap enough, it is the one that has to notice:
 * it is what other promises rest on.
 */

export interface Mutant {
  name: string
  /** What is no longer true of the service. */
  breaks: string
  file: string
  /** Text that is in the file exactly once, and what it is replaced with. */
  text: string
  by: string
  /** The narrowest test that notices: a file, and a part of the names of its tests. */
  test: { file: string; name: string }
}

const traced = {
  file: 'test/crash/trace.test.ts',
  name: 'every fsync that an acknowledged write depends on comes before its answer',
}
const killedAtEveryPointOf = (scenario: string) => ({
  file: `test/crash/${scenario.startsWith('job ') ? 'points-of-jobs' : 'points'}.test.ts`,
  name: `killed at every point of: ${scenario},`,
})

const histories = {
  file: 'src/schedule/schedules.test.ts',
  name: 'however the clock jumps and the service dies',
}

const clocks = {
  file: 'test/clock/histories.test.ts',
  name: 'goes by how long the service runs',
}

export const mutants: Mutant[] = [
  {
    name: 'jobs-due-by-the-wall',
    breaks: 'a clock that is set back holds no job up',
    file: 'src/job/jobs.ts',
    text: 'run_at: toTimestamp(serviceTime() + (job.delayMs ?? 0)),',
    by: 'run_at: toTimestamp(now() + (job.delayMs ?? 0)),',
    test: clocks,
  },
  {
    name: 'jobs-in-order-of-ids',
    breaks: 'jobs run in the order of their submits, whatever the clock said',
    file: 'src/job/store.ts',
    text: '      .orderBy(sql`rowid`)\n',
    by: "      .orderBy('id')\n",
    test: clocks,
  },
  {
    name: 'retention-by-the-wall',
    breaks: 'no job is forgotten early because a clock jumped',
    file: 'src/job/jobs.ts',
    text: 'const before = toTimestamp(serviceTime() - retentionMs)',
    by: 'const before = toTimestamp(now() - retentionMs)',
    test: clocks,
  },
  {
    name: 'service-time-goes-back',
    breaks: 'service time goes on after a crash, and never back',
    file: 'src/db/service-time.ts',
    text: 'await store(now() + pause + slackMs)',
    by: 'await store(now())',
    test: clocks,
  },
  {
    name: 'old-slots-come-back',
    breaks: 'a clock that is far back for a while brings back no slot from before its schedule',
    file: 'src/schedule/due.ts',
    text: '    if (isLate && at <= knownFrom) break\n',
    by: '',
    test: { file: 'src/schedule/runs.test.ts', name: 'a clock that is at 1970 for a while' },
  },
  {
    name: 'blob-file-not-synced',
    breaks: 'the bytes of a file are on the disk before it gets its name',
    file: 'src/blob/file.ts',
    text: '    await disk(temp.handle.sync())\n',
    by: '',
    test: traced,
  },
  {
    name: 'blob-folder-not-synced',
    breaks: 'the name of a file is on the disk before a row names it',
    file: 'src/blob/file.ts',
    text: '    try {\n      await syncFolder(dirname(path))\n    } catch (error) {\n      folders.delete',
    by: '    try {\n    } catch (error) {\n      folders.delete',
    test: traced,
  },
  {
    name: 'new-folder-not-synced',
    breaks: 'a new folder of files is on the disk before a row names a file in it',
    file: 'src/blob/file.ts',
    text: 'await syncFolder(created ? folder : parent)',
    by: 'if (!created) await syncFolder(parent)',
    test: traced,
  },
  {
    name: 'synchronous-off',
    breaks: 'the first commits are on the disk before they are answered',
    file: 'src/db/sqlite.ts',
    text: `handle.pragma('synchronous = FULL')`,
    by: `handle.pragma('synchronous = OFF')`,
    test: { file: 'src/db/sqlite.test.ts', name: 'a file is written in WAL mode with full syncs' },
  },
  {
    name: 'synchronous-normal',
    breaks: 'a commit is on the disk before it is answered',
    file: 'src/db/sqlite.ts',
    text: `synchronous = \${durable ? 'FULL' : 'NORMAL'}`,
    by: 'synchronous = NORMAL',
    test: traced,
  },
  {
    name: 'shared-commit-not-durable',
    breaks: 'a commit that several writes share is as durable as the strictest of them asks',
    file: 'src/db/writer.ts',
    text: 'candidates.some((pending) => pending.durable)',
    by: 'candidates.every((pending) => pending.durable)',
    test: {
      file: 'src/db/sqlite.test.ts',
      name: 'reach the disk before the answer when they are durable',
    },
  },
  {
    name: 'failed-sync-trusted',
    breaks: 'nothing is built on a log whose sync has failed',
    file: 'src/db/sqlite.ts',
    text: 'isLogTrusted &&= !isFailedSync(error)',
    by: 'isFailedSync(error)',
    test: { file: 'test/crash/trace.test.ts', name: 'after an fsync that failed' },
  },
  {
    name: 'row-before-blob',
    breaks: 'bytes are stored before the row that names them',
    file: 'src/blob/blobs.ts',
    text: `    return { ...(await store.put(source, options)), inline: null }
  }

  async function putRows`,
    by: `    store.put(source, options).catch(() => {})
    return { ...stageBytes(source), inline: null }
  }

  async function putRows`,
    test: killedAtEveryPointOf('job submit'),
  },
  {
    name: 'result-beside-state',
    breaks: 'the result of a job and its final state are one commit',
    file: 'src/job/jobs.ts',
    text: `      await along?.(tx)
      if (decided.status !== 'pending') await blobs.release(tx, \`job:\${claim.id}\`)
      return decided
    })
`,
    by: `      if (decided.status !== 'pending') await blobs.release(tx, \`job:\${claim.id}\`)
      return decided
    })
    await database.write(async (tx) => along?.(tx))
`,
    test: killedAtEveryPointOf('job finish of a training'),
  },
  {
    name: 'key-beside-write',
    breaks: 'an idempotency key is stored in the transaction of the write itself',
    file: 'src/idempotency/idempotency.ts',
    text: `        const fresh = await create(async (tx, { status, headers, body, jobId }) => {
          await store.remove(tx, scope)
`,
    by: `        const fresh = await create(async () => {})
        const { status, headers, body, jobId } = fresh
        await database.write(async (tx) => {
          await store.remove(tx, scope)
`,
    test: killedAtEveryPointOf('config save'),
  },
  {
    name: 'trash-not-cleaned',
    breaks: 'what a crash left in the trash is dealt with by the next start',
    file: 'src/blob/file.ts',
    text: 'if (inUse.has(name) || !isHash(hash)) continue',
    by: 'if (name) continue',
    test: killedAtEveryPointOf('sweep of what a crash left'),
  },
  {
    name: 'sweep-without-second-look',
    breaks: 'bytes that are named while a sweep hides them come back',
    file: 'src/blob/sweep.ts',
    text: 'wanted = trashed.changedAt >= olderThan || (await isReferenced(hash))',
    by: 'wanted = false',
    test: { file: 'src/blob/sweep.test.ts', name: 'as files of two processes' },
  },
  {
    name: 'sweep-without-age',
    breaks: 'bytes that were put a moment ago, and have no row yet, are left alone by a sweep',
    file: 'src/blob/blobs.ts',
    text: '      olderThan: before,\n',
    by: '      olderThan: Number.POSITIVE_INFINITY,\n',
    test: {
      file: 'src/blob/blobs.test.ts',
      name: 'bytes whose reference was committed are there at every moment',
    },
  },
  {
    name: 'late-result-taken',
    breaks: 'a run whose job was taken over is told so, and its result is not stored',
    file: 'src/job/store.ts',
    text: `.where('token', '=', claim.token)`,
    by: '',
    test: { file: 'test/crash/zombies.test.ts', name: '200 of 200 results' },
  },
  {
    name: 'refusal-of-late-result-ignored',
    breaks: 'the result of a run whose job was taken over is not stored',
    file: 'src/job/jobs.ts',
    text: 'if (!decided || !(await store.updateClaimed(tx, claim, decided))) throw staleClaim(claim)',
    by: 'if (!decided) throw staleClaim(claim)\n      await store.updateClaimed(tx, claim, decided)',
    test: { file: 'src/job/jobs.test.ts', name: 'accepts nothing from a run whose job was taken' },
  },
  {
    name: 'late-report-taken',
    breaks: 'a run whose job was taken over does not write into its log any more',
    file: 'src/job/jobs.ts',
    text: 'if (!(await store.updateClaimed(tx, claim, changes))) throw staleClaim(claim)',
    by: 'await store.updateClaimed(tx, claim, changes)',
    test: { file: 'src/job/jobs.test.ts', name: 'accepts nothing from a run whose job was taken' },
  },
  {
    name: 'result-dropped-on-full-disk',
    breaks: 'a result that finds no room on the disk waits for it',
    file: 'src/job/dispatcher.ts',
    text: `(error.code === 'storage-full' || error.code === 'unavailable')`,
    by: `error.code === 'unavailable'`,
    test: { file: 'src/job/dispatcher.test.ts', name: 'for want of space is kept' },
  },
  {
    name: 'shortage-blamed-on-model',
    breaks: 'a job waits when the machine has no room for a model host',
    file: 'src/host/host-process.ts',
    text: `if (spawnError && isShortage(spawnError)) return { status: 'no-host', reason }`,
    by: '',
    test: { file: 'test/crash/faults.test.ts', name: 'without a file descriptor left' },
  },
  {
    name: 'canceled-host-lives-on',
    breaks: 'a model that does not obey a cancel is ended with its process',
    file: 'src/host/host-process.ts',
    text: '    cancelTimer = setTimeout(terminate, cancelGraceMs)\n',
    by: '',
    test: { file: 'test/e2e/models.test.ts', name: 'would go on (spin) is gone' },
  },
  {
    name: 'frozen-host-lives-on',
    breaks: 'a host that was stopped is noticed and killed',
    file: 'src/host/host-process.ts',
    text: 'if (!isReady || !options.killSilent || ++missed <= silentChecks) return',
    by: 'if (++missed > 0) return',
    test: { file: 'test/crash/zombies.test.ts', name: 'a host that was stopped is noticed' },
  },
  {
    name: 'orphaned-host-lives-on',
    breaks: 'hosts end with their service, however it ended',
    file: 'src/host/watch.ts',
    text: 'if (process.ppid !== servicePid) endAll()',
    by: 'if (process.ppid === 0) endAll()',
    test: {
      file: 'src/host/hosts.test.ts',
      name: 'end when the service is killed, also in the middle of: loop',
    },
  },
  {
    name: 'body-without-limit',
    breaks: 'a body over the limit is refused',
    file: 'src/server/app.ts',
    text: 'bodyLimit: Math.min(maxDocument, maxBody),',
    by: 'bodyLimit: Number.MAX_SAFE_INTEGER,',
    test: { file: 'test/http/framing.test.ts', name: 'are taken up to the limit' },
  },
  {
    name: 'circle-of-artifacts',
    breaks: 'an artifact is not moved below itself',
    file: 'src/artifact/artifacts.ts',
    text: '(await store.lineage(tx, parentId)).includes(id)',
    by: 'false',
    test: { file: 'test/http/bad-values.test.ts', name: 'in a circle' },
  },
  {
    name: 'horizon-of-the-config',
    breaks: 'a run forecasts as many periods as its request asks for',
    file: 'src/ml/horizon.ts',
    text: '  if (asked !== null) return asked\n',
    by: '',
    test: { file: 'test/compat/horizon.test.ts', name: 'is what run_info asks for, else that of' },
  },
  {
    name: 'config-of-training-for-a-prediction',
    breaks: 'scripts find the horizon of their own run in config.yml',
    file: 'src/script/runs.ts',
    text: 'const values = atHorizon(training.config, payload.horizon)',
    by: 'const values = training.config',
    test: { file: 'test/compat/horizon.test.ts', name: 'in the layout flat' },
  },
  {
    name: 'post-replaces-a-config',
    breaks: 'a POST never takes the place of a config that is there',
    file: 'src/config/configs.ts',
    text: 'if (input.id && (await store.find(tx, input.id))) {',
    by: 'if (input.id) await store.remove(tx, input.id)\n        if (input.id === "") {',
    test: { file: 'test/compat/configs.test.ts', name: 'one that exists is 409' },
  },
  {
    name: 'output-of-training-served',
    breaks: 'a prediction that writes nothing fails, whatever the training left',
    file: 'src/script/runs.ts',
    text: 'const notInherited = [configFile, historicFile, futureFile, outputFile]',
    by: 'const notInherited: string[] = []',
    test: { file: 'src/script/runs.test.ts', name: 'the file of a training is all there is' },
  },
  {
    name: 'store-refuses-once',
    breaks:
      'a command that ended well never runs again, nor is lost, because the disk refuses what it left',
    file: 'src/script/runs.ts',
    text: 'const workspace = await untilStored(collect, { context, onError })',
    by: 'const workspace = await collect()',
    test: { file: 'src/script/runs.test.ts', name: 'waits for the store of the service' },
  },
  {
    name: 'ignore-file-read-as-empty',
    breaks: 'an ignore file that cannot be read is never taken for empty',
    file: 'src/script/ignore.ts',
    text: "if ('problem' in decoded) throw refused(path, decoded.problem)",
    by: "if ('problem' in decoded) return []",
    test: { file: 'src/script/listing.test.ts', name: 'is refused with its name' },
  },
  {
    name: 'zip-says-all',
    breaks: 'no name in a download is one that leads out of the folder',
    file: 'src/artifact/zip.ts',
    text: 'const isEncoded = !entries.every(({ path }) => isPlainPath(path))',
    by: 'const isEncoded = entries.length < 0',
    test: { file: 'src/artifact/zip.test.ts', name: 'is percent-encoded' },
  },
  {
    name: 'empty-folders-left-out',
    breaks: 'a prediction finds the empty folders that training left',
    file: 'src/script/listing.ts',
    text: 'if (isEmpty || mode !== usualFolderMode)',
    by: 'if (!isEmpty && mode !== usualFolderMode)',
    test: { file: 'src/script/runs.test.ts', name: 'empty folders of a project are there' },
  },
  {
    name: 'strays-live-on',
    breaks: 'no process of a script outlives its run',
    file: 'src/script/process.ts',
    text: '  await run.endStrays(pid)\n',
    by: '',
    test: { file: 'src/script/runs.test.ts', name: 'is read while it runs, and ended with all' },
  },
  {
    name: 'exit-code-ignored',
    breaks: 'a script that fails fails its job',
    file: 'src/script/process.ts',
    text: 'return code === 0 ? null :',
    by: 'return code !== undefined ? null :',
    test: { file: 'src/script/runs.test.ts', name: 'that fails fails its job' },
  },
  {
    name: 'scripts-of-earlier-start-run-on',
    breaks: 'a start ends the scripts that an earlier one left',
    file: 'src/script/folders.ts',
    text: "const ended = await worker.run('endProcesses',",
    by: "const ended = 0 && await worker.run('endProcesses',",
    test: { file: 'test/crash/scripts.test.ts', name: 'a service that is killed' },
  },
  {
    name: 'environment-passed-whole',
    breaks: 'a script gets no secret of the service',
    file: 'src/script/environment.ts',
    text: '    if (wanted.has(name) || passed.test(name) || numeric.test(name)) env[name] = value',
    by: '    env[name] = value',
    test: { file: 'src/script/runs.test.ts', name: 'gets the environment that it needs' },
  },
  {
    name: 'nowhere-open',
    breaks: 'what leads nowhere is answered like what needs a key',
    file: 'src/server/guard.ts',
    text: 'if (url !== undefined && permission !== undefined && isOpen({ url, permission })) return done()',
    by: 'if (!url || !permission || isOpen({ url, permission })) return done()',
    test: {
      file: 'test/http/auth.test.ts',
      name: 'what is there and what is not are answered alike',
    },
  },
  {
    name: 'any-key-fits',
    breaks: 'a key that is none of the service is refused',
    file: 'src/auth/auth.ts',
    text: "if (!principal) throw refusal('Invalid API key')",
    by: 'principal ??= known[0]!.principal',
    test: { file: 'test/http/auth.test.ts', name: 'that is another is refused' },
  },
  {
    name: 'name-begins-like-an-open-path',
    breaks: 'an open path opens what is below it, not what begins like it',
    file: 'src/auth/auth.ts',
    text: `url.startsWith(\`\${path}/\`)`,
    by: 'url.startsWith(path)',
    test: { file: 'test/http/auth.test.ts', name: 'of a list take the place of those by default' },
  },
  {
    name: 'stranger-told-to-send',
    breaks: 'who has no key is not told to send a body',
    file: 'src/server/admission.ts',
    text: 'continueWhenRead(request, asking)',
    by: 'asking.writeContinue()',
    test: {
      file: 'test/http/auth.test.ts',
      name: 'who asks before sending a body is not told to send it',
    },
  },
  {
    name: 'model-sees-keys',
    breaks: 'a model does not see the keys to its service',
    file: 'src/settings.ts',
    text: "    ...apiKeyVariables,\n    'CHAPKIT_API_KEY',\n    ...more,\n",
    by: '',
    test: { file: 'test/http/auth.test.ts', name: 'no key reaches the log, nor a model' },
  },
  {
    name: 'own-header-in-the-log',
    breaks: 'the header of a key is left out of the log, whatever its name',
    file: 'src/server/log.ts',
    text: '...redacted, ...secrets',
    by: '...redacted',
    test: { file: 'test/http/auth.test.ts', name: 'no key reaches the log, nor a model' },
  },
  {
    name: 'callers-share-idempotency-keys',
    breaks: 'idempotency keys of different callers never meet',
    file: 'src/http/routes.ts',
    text: "principal: request.principal?.id ?? '',",
    by: "principal: '',",
    test: { file: 'test/http/auth.test.ts', name: 'tells its owner apart' },
  },
  {
    name: 'client-takes-any-form',
    breaks: 'records are never taken for CSV or Parquet',
    file: 'src/client/downloads.ts',
    text: "(format !== 'csv' && format !== 'parquet') || !/[/+]json\\b/.test(type)",
    by: "(format !== 'csv' && format !== 'parquet') || type !== ''",
    test: { file: 'src/client/python-chapkit.test.ts', name: 'records are not taken for csv' },
  },
  {
    name: 'client-trusts-the-push',
    breaks: 'a service that tells changes only now and then is asked every second',
    file: 'src/client/follow.ts',
    text: '  const query = { poll_interval: 1 }',
    by: '  const query = { poll_interval: 60 }',
    test: { file: 'src/client/follow.test.ts', name: 'each state of a job is told once' },
  },
  {
    name: 'preflight-asked-for-a-key',
    breaks: 'the preflight of a page needs no key',
    file: 'src/server/app.ts',
    text: '  useHeadersAndLog(app, options.quiet, observe)\n',
    by: '  useHeadersAndLog(app, options.quiet, observe)\n  if (auth) useAuth(app, auth)\n',
    test: { file: 'test/http/auth.test.ts', name: 'a page of another origin may ask' },
  },
  {
    name: 'migration-half-done',
    breaks: 'a migration that fails in the middle changes nothing',
    file: 'src/cli/migrate.ts',
    text: 'for (const step of undo.reverse()) await step()',
    by: '',
    test: { file: 'src/cli/migrate.test.ts', name: 'in the middle undoes all of it' },
  },
  {
    name: 'client-key-new-on-each-try',
    breaks: 'a creation is tried again with the key of its first try',
    file: 'src/client/transport.ts',
    text: '        const result = await attempt(request, call, read)\n',
    by: '        const result = await attempt(toRequest(call), call, read)\n',
    test: { file: 'src/client/transport.test.ts', name: 'tried again with the same key' },
  },
  {
    name: 'client-sends-anything-twice',
    breaks: 'what may not be sent twice is sent once',
    file: 'src/client/transport.ts',
    text: "        (init.headers as Headers).has('idempotency-key'))\n",
    by: '        true)\n',
    test: { file: 'src/client/transport.test.ts', name: 'may not be sent twice' },
  },
  {
    name: 'client-mixes-downloads',
    breaks: 'a download that goes on is of the same bytes',
    file: 'src/client/resume.ts',
    text: 'if (rest.status === 206) return rest',
    by: 'if (rest.ok) return rest',
    test: { file: 'src/client/transport.test.ts', name: 'not a mixture' },
  },
  {
    name: 'client-forgets-where-a-log-was',
    breaks: 'a line of a log is told once, however often its stream breaks',
    file: 'src/client/follow.ts',
    text: '        after = line.seq\n',
    by: '',
    test: { file: 'src/client/follow.test.ts', name: 'told once and in order' },
  },
  {
    name: 'file-half-written',
    breaks: 'a file that a command writes is whole, or as it was',
    file: 'src/cli/files.ts',
    text: "open(part, 'wx')",
    by: "open(target, 'w')",
    test: { file: 'src/cli/openapi.test.ts', name: 'written to its end stays as it was' },
  },
  {
    name: 'failed-training-is-walked-past',
    breaks: 'newman fails where a training fails',
    file: 'src/postman/scripts.ts',
    text: ".to.equal('completed')",
    by: ".to.be.a('string')",
    test: { file: 'test/postman.test.ts', name: 'where a training fails, with the reason' },
  },
  {
    name: 'schedule-cursor-not-moved',
    breaks: 'a slot, its job, and how far its schedule has come are written in one commit',
    file: 'src/schedule/schedules.ts',
    text: 'if (known) await store.update(tx, await runs.advance(tx, known, effects))',
    by: 'if (known) await runs.advance(tx, known, effects)',
    test: histories,
  },
  {
    name: 'slot-runs-again',
    breaks: 'a clock that is set back runs no slot a second time',
    file: 'src/schedule/due.ts',
    text: 'if (decided.has(at)) continue',
    by: '',
    test: histories,
  },
  {
    name: 'missed-for-ever',
    breaks: 'a slot that was missed by a clock that was ahead runs when its time comes',
    file: 'src/schedule/runs.ts',
    text: 'at < Date.parse(known.decided_until) ? await rewind(tx, known, at) : known',
    by: 'known',
    test: histories,
  },
  {
    name: 'parameter-as-code',
    breaks: 'the value of a parameter is never run as code',
    file: 'src/task/command.ts',
    text: '  assertData(words, refuse)\n',
    by: '',
    test: {
      file: 'src/task/command.test.ts',
      name: 'has no place for a value where it would be code',
    },
  },
  {
    name: 'commands-of-anybody',
    breaks: 'clients create commands only where the service allows that',
    file: 'src/task/inputs.ts',
    text: "if (sent.task_type === 'function' || spec.allowRemoteCommands) return",
    by: "if (sent.task_type === 'function' || !spec.allowRemoteCommands) return",
    test: { file: 'test/compat/tasks.test.ts', name: 'only where the service allows that' },
  },
  {
    name: 'orphan-runs',
    breaks: 'a task whose code is gone is disabled',
    file: 'src/task/declared.ts',
    text: 'const reason = whyBlocked(row)',
    by: 'const reason = row.disabled_reason',
    test: { file: 'src/task/declared.test.ts', name: 'disables what it has no code for any more' },
  },
  {
    name: 'failed-run-forgotten',
    breaks: 'a task is tried again only as often as it may be',
    file: 'src/job/jobs.ts',
    text: '...(hasFailed && { failures: row.failures + 1 }),',
    by: '',
    test: { file: 'src/task/retries.test.ts', name: 'each attempt follows when its time has come' },
  },
  {
    name: 'inode-not-asked',
    breaks: 'a second name of the database leads to the same lock',
    file: 'src/db/ownership.ts',
    text: "    if ((error as { code?: unknown }).code !== 'SQLITE_BUSY') throw error\n    return false\n",
    by: "    if ((error as { code?: unknown }).code !== 'SQLITE_BUSY') throw error\n    return true\n",
    test: {
      file: 'src/db/ownership.test.ts',
      name: 'two services of one process do not share data either',
    },
  },
  {
    name: 'loss-not-noticed',
    breaks: 'nothing is stored in a database that was taken away',
    file: 'src/db/sqlite.ts',
    text: '      // Behind the lock of the write: from here on nobody else can take the database over before the commit.\n      ownership?.assertHeld()\n',
    by: '',
    test: {
      file: 'src/db/ownership.test.ts',
      name: 'a service whose database was deleted stores nothing any more',
    },
  },
  {
    name: 'new-child-not-marked',
    breaks: 'what comes below a tree while it is being deleted goes with it',
    file: 'src/artifact/artifacts.ts',
    text: '    if (row.parent_id !== null) await changes.inheritFromParent(tx, row.id, row.parent_id)\n',
    by: '',
    test: {
      file: 'src/artifact/change/changes.test.ts',
      name: 'whatever comes below a tree while it is being deleted',
    },
  },
  {
    name: 'decided-not-resumed',
    breaks: 'a deletion that was answered goes on after a crash',
    file: 'src/artifact/change/changes.ts',
    text: 'isDecided: decided === 1',
    by: 'isDecided: false',
    test: {
      file: 'test/e2e/deletion.test.ts',
      name: 'a deletion that was answered stays',
    },
  },
  {
    name: 'foreign-host-answered',
    breaks: 'a page whose name has come to lead to the service is not answered',
    file: 'src/server/refusals.ts',
    text: '    (isProbe ? undefined : hostRefusal(request)) ??\n',
    by: '',
    test: { file: 'test/http/hosts.test.ts', name: 'does not answer to evil.example,' },
  },
  {
    name: 'foreign-page-changes',
    breaks: 'a page of another site changes nothing',
    file: 'src/server/refusals.ts',
    text: '    originRefusal(request) ??\n',
    by: '',
    test: { file: 'test/http/origins.test.ts', name: 'is refused from' },
  },
  {
    name: 'upload-part-of-page',
    breaks: 'uploaded bytes are not given to a browser as a script',
    file: 'src/artifact/routes.ts',
    text: '          assertNotPartOfPage(request.headers)\n',
    by: '',
    test: { file: 'test/http/inert.test.ts', name: 'is not given to a browser as a script' },
  },
  {
    name: 'stream-by-another-spelling',
    breaks: 'a stream is counted as one however its path is spelled',
    file: 'src/server/admission.ts',
    text: "      server.on('request', (request, response) => {\n        readTarget(request)\n",
    by: "      server.on('request', (request, response) => {\n",
    test: { file: 'test/http/targets.test.ts', name: 'a stream is counted as one' },
  },
  {
    name: 'slot-lost-in-a-gap',
    breaks: 'a daily time is not lost with a gap that ends at midnight',
    file: 'src/schedule/slots.ts',
    text: '  const { after, upTo } = isFixed(expression)\n',
    by: '  const { after, upTo } = expression === zone\n',
    test: { file: 'src/schedule/slots.test.ts', name: 'a gap that ends at midnight' },
  },
  {
    name: 'periods-of-two-types-compared',
    breaks: 'a lag does not compare weeks with different first days',
    file: 'src/data/period-column.ts',
    text: 'if (period === null || period.type !== type)',
    by: 'if (period === null || !period.type)',
    test: { file: 'src/data/lag.test.ts', name: 'do not go into one column' },
  },
  {
    name: 'decimal-mark-forgotten',
    breaks: 'a covariate of the config is read with the decimal mark of its file',
    file: 'src/data/agreed.ts',
    text: 'const agreed = agreedCell(cell, kind, decimal)',
    by: 'const agreed = agreedCell(cell, kind)',
    test: {
      file: 'test/http/agreed-columns.test.ts',
      name: 'is read so in the covariates of the config',
    },
  },
  {
    name: 'parquet-pages-not-checked',
    breaks: 'a damaged Parquet file does not hold the process',
    file: 'src/data/parquet.ts',
    text: '    checkPages(copy, metadata, schema, compressors)\n',
    by: '',
    test: { file: 'src/data/parquet-damage.test.ts', name: 'never holds the process' },
  },
  {
    name: 'timestamps-truncated',
    breaks: 'times before 1970 are cut off towards the past',
    file: 'src/data/parquet-values.ts',
    text: ' - (count % per < 0n ? 1n : 0n)',
    by: '',
    test: { file: 'src/data/parquet.test.ts', name: 'times before 1970' },
  },
  {
    name: 'body-pace-of-its-whole-life',
    breaks: 'who has sent much and then stands still makes room for who sends',
    file: 'src/server/body-budget.ts',
    text: 'return body.recent * 2 ** ((body.at - now()) / halfLifeMs)',
    by: 'return body.recent',
    test: { file: 'src/server/body-budget.test.ts', name: 'stands still makes room' },
  },
  {
    name: 'frame-rendered-by-the-event-loop',
    breaks: 'large frames are brought into other forms by a thread',
    file: 'src/artifact/renderings.ts',
    text: 'const smallBytes = 64 * 1024',
    by: 'const smallBytes = 64 * 1024 * 1024',
    test: { file: 'test/http/largest.test.ts', name: 'reads and writes it by threads' },
  },
  {
    name: 'artifact-read-by-the-event-loop',
    breaks: 'large artifacts are read by a thread',
    file: 'src/artifact/intake-queue.ts',
    text: 'const threadAbove = 64 * 1024',
    by: 'const threadAbove = 64 * 1024 * 1024',
    test: { file: 'test/http/largest.test.ts', name: 'reads and writes it by threads' },
  },
]

/** How often a text is in another. */
export const countOf = (text: string, source: string): number => source.split(text).length - 1
