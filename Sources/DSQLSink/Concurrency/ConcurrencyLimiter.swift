package import Runtime
internal import Synchronization

/// Lets so many transactions with the target be in flight at a time as it bears; shared by all writers of the process.
package final class ConcurrencyLimiter: Sendable {
  private struct Guarded {
    var state: ConcurrencyState
    var waiters: [ConcurrencyState.Ticket: Wakeup] = [:]
  }

  private let guarded: Mutex<Guarded>

  package init(_ limits: ConcurrencyState.Limits) {
    guarded = Mutex(Guarded(state: ConcurrencyState(limits)))
  }

  package var counts: ConcurrencyState.Counts { guarded.withLock { $0.state.counts } }

  /// Begins low: what comes now is written into something new.
  package func startLow() { guarded.withLock { $0.state.startLow() } }

  /// Waits for its turn.
  ///
  /// - Returns: `nil` when `interrupt` was signalled first.
  package func enter(unless interrupt: Wakeup?) -> ConcurrencyState.Permit? {
    let ticket = guarded.withLock { $0.state.ask(now: monotonicNow()) }
    // Made only if there is something to wait for.
    var wakeup: Wakeup?
    defer { if wakeup != nil { guarded.withLock { $0.waiters[ticket] = nil } } }
    while true {
      wakeup?.clear()
      let now = monotonicNow()
      switch guarded.withLock({ $0.state.decide(ticket, now: now) }) {
      case .go(let permit): return permit
      case .wait(let until):
        if interrupt?.isSignalled == true {
          guarded.withLock { guarded in
            guarded.state.giveUp(ticket)
            wakeThoseDue(guarded)
          }
          return nil
        }
        guard let wakeup else {
          // Then look again: who left before it was known woke nobody.
          let fresh = Wakeup()
          guarded.withLock { $0.waiters[ticket] = fresh }
          wakeup = fresh
          continue
        }
        // In short waits, since a stop is signalled elsewhere.
        wakeup.wait(for: min(until - now, .milliseconds(100)))
      }
    }
  }

  /// Tells what a transaction has shown.
  package func note(_ outcome: ConcurrencyState.Outcome, _ permit: ConcurrencyState.Permit) {
    guarded.withLock { $0.state.note(outcome, permit) }
  }

  package func leave(_ permit: ConcurrencyState.Permit) {
    guarded.withLock { guarded in
      guarded.state.leave(permit)
      wakeThoseDue(guarded)
    }
  }

  private func wakeThoseDue(_ guarded: borrowing Guarded) {
    for ticket in guarded.state.due { guarded.waiters[ticket]?.signal() }
  }
}
