internal import CPenstockShims
internal import Glibc

/// A flag that another thread can wait for together with a socket: an eventfd.
///
/// Signals add up until cleared, so a signal sent before the wait begins is not lost.
package final class Wakeup: Sendable {
  /// For `poll`; owned by this value.
  package let descriptor: Int32

  package init() {
    descriptor = penstock_eventfd()
    precondition(descriptor >= 0, "the process has no file descriptor left (eventfd: errno \(errno))")
  }

  deinit { close(descriptor) }

  /// Wakes whoever waits now, or the next one who does.
  package func signal() { penstock_eventfd_signal(descriptor) }

  /// Forgets all signals so far.
  package func clear() { penstock_eventfd_clear(descriptor) }

  /// Blocks the calling thread until a signal or until `limit` has passed; `nil` waits for ever.
  package func wait(for limit: Duration?) {
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    _ = unsafe penstock_poll(&entry, 1, limit.map(\.wholeMilliseconds) ?? -1)
  }

  package var isSignalled: Bool {
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return unsafe penstock_poll(&entry, 1, 0) > 0
  }
}

extension Duration {
  /// Rounded up, so that a wait of 100 µs is not a busy loop.
  package var wholeMilliseconds: Int64 {
    let (seconds, attoseconds) = components
    return seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
  }

  package var seconds: Double {
    let (whole, attoseconds) = components
    return Double(whole) + Double(attoseconds) / 1e18
  }
}

/// The system's monotonic clock as time since an arbitrary start.
package func monotonicNow() -> Duration {
  var time = timespec()
  unsafe clock_gettime(CLOCK_MONOTONIC, &time)
  return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
}

/// What this process has used so far.
package enum ProcessUsage {
  package static var cpu: Duration { .nanoseconds(Int64(penstock_process_cpu_ns())) }
  /// Keeps the process small when large rows have passed; once, before threads start.
  package static func tuneMemory() { penstock_tune_memory() }
  package static var residentBytes: UInt64 { penstock_resident_bytes() }
  package static var peakResidentBytes: UInt64 { penstock_peak_resident_bytes() }
}

/// The point on the monotonic clock that lies `limit` ahead.
package func monotonicDeadline(_ limit: Duration) -> Duration { monotonicNow() + limit }

/// The wall clock: microseconds since 1970-01-01 UTC.
package func wallClockMicroseconds() -> Int64 {
  var time = timespec()
  unsafe clock_gettime(CLOCK_REALTIME, &time)
  return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
}
