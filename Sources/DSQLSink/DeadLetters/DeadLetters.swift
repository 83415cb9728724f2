package import ChangeModel
internal import Runtime
internal import Synchronization

/// What becomes of rows that the target refuses, and which of them wait in the target: shared by all writers of a run.
package final class DeadLetters: Sendable {
  /// Classes of rows that are parked; any other refused row stops the pipeline.
  package let classes: Set<RowErrorClass>
  /// More rows in a minute stop the pipeline: then it is not the rows that are wrong.
  package let perMinute: Int
  private let state = Mutex(State())

  private struct State {
    var isOpen = false
    /// By source table.
    var ids: [String: Set<String>] = [:]
    /// When the last ones were parked.
    var times: [Duration] = []
    var count = 0
  }

  package init(classes: Set<RowErrorClass>, perMinute: Int) {
    self.classes = classes
    self.perMinute = perMinute
  }

  /// Rows parked by this process.
  package var count: Int { state.withLock { $0.count } }

  /// Takes note of the letters that earlier runs have left, once.
  package func open(_ read: () throws(Failure) -> [(table: String, id: String)]) throws(Failure) {
    if state.withLock({ $0.isOpen }) { return }
    let letters = try read()
    state.withLock { state in
      for letter in letters { state.ids[letter.table, default: []].insert(letter.id) }
      state.isOpen = true
    }
  }

  /// The ids of letters that may be parked; a few of them may have gone since.
  package var ids: [String: Set<String>] { state.withLock { $0.ids } }

  /// Decides about a refused row; returns if it may be parked.
  ///
  /// - Parameter failure: says which row it is.
  /// - Throws: what stops the pipeline.
  package func admit(_ letter: DeadLetter, _ rowClass: RowErrorClass, _ failure: Failure) throws(Failure) {
    guard classes.contains(rowClass) else { throw failure }
    let now = monotonicNow()
    let isFull = state.withLock { state in
      state.times.removeAll { $0 < now - .seconds(60) }
      if state.times.count >= perMinute { return true }
      state.times.append(now)
      state.count += 1
      state.ids[letter.sourceTable, default: []].insert(letter.id)
      return false
    }
    guard isFull else { return }
    throw Failure(
      .sink, "the target refuses more than \(perMinute) rows in a minute; the last one: \(failure.message)",
      location: failure.location,
      hint: "Look at them with penstock dlq list. Mend the target or the source, or raise sink.dead-letter-limit.",
      state: failure.state)
  }
}
