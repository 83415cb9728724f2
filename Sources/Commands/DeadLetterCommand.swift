import ChangeModel
import CommandLineArguments
import DSQLSink
import Glibc
import Operations
import Pipeline
import Runtime
import Settings

/// `penstock dlq`: 1 when a replayed row is refused again.
func workOnDeadLetters(
  _ order: DeadLetterOrder, _ settings: PipelineSettings, _ surroundings: Surroundings, log: Log
) async -> Int32 {
  do throws(Failure) {
    return try await onThread("dlq") { () throws(Failure) in
      let queue = try DeadLetterQueue(settings, Endpoints(settings, surroundings, log: log))
      return try perform(order, queue, log)
    }
  } catch {
    log.error("\(error)")
    return error.exitCode
  }
}

private func perform(_ order: DeadLetterOrder, _ queue: DeadLetterQueue, _ log: Log) throws(Failure) -> Int32 {
  let all = try queue.list(waiting: false)
  let chosen = try queue.letters(order.ids, among: all)
  switch order.action {
  case .list:
    let shown = all.filter { order.all || $0.state == "parked" }
    writeAll(order.json ? DeadLetterQueue.json(shown) : DeadLetterQueue.text(shown), to: STDOUT_FILENO)
  case .show:
    var letters: [DeadLetterQueue.Letter] = []
    for entry in order.all ? all : chosen { letters.append(try queue.row(of: entry)) }
    let text = order.json ? DeadLetterQueue.json(letters) : letters.map { DeadLetterQueue.text($0) }.joined()
    writeAll(text, to: STDOUT_FILENO)
  case .drop:
    let gone = try queue.drop(order.all ? all : chosen)
    writeAll(order.json ? "{\"dropped\":\(gone)}\n" : "dropped \(gone)\n", to: STDOUT_FILENO)
  case .replay:
    return try replay(order.all ? all.filter { $0.state == "parked" } : chosen, queue, json: order.json, log)
  }
  return 0
}

private func replay(
  _ entries: [LetterStore.Entry], _ queue: DeadLetterQueue, json: Bool, _ log: Log
) throws(Failure) -> Int32 {
  var (written, passed, refused) = (0, 0, 0)
  for entry in entries {
    switch try queue.replay(entry) {
    case .written: written += 1
    case .passed: passed += 1
    case .refused(let failure):
      refused += 1
      log.error("letter \(entry.id) stays: \(failure.message)")
    }
  }
  writeAll(
    json
      ? "{\"replayed\":\(written),\"passed\":\(passed),\"refused\":\(refused)}\n"
      : "replayed \(written), passed over \(passed) that do not wait any more, refused again \(refused)\n",
    to: STDOUT_FILENO)
  return refused == 0 ? 0 : 1
}
