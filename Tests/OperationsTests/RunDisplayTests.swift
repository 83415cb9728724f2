import ChangeModel
import Operations
import Pipeline
import PostgresSource
import Testing

@Suite("The progress of a run")
struct RunDisplayTests {
  @Test("a phase without numbers is named", arguments: [RunMonitor.Phase.starting, .indexing, .draining, .waiting])
  func phases(_ phase: RunMonitor.Phase) {
    let monitor = RunMonitor()
    monitor.phase = phase

    let frame = RunDisplay(monitor).frame(linesMax: 10)

    #expect(frame.lines == [phase.rawValue])
    #expect(frame.summary == phase.rawValue)
  }

  @Test("where the end of the source is not known, no lag is shown") func unknownEnd() {
    let monitor = RunMonitor()
    monitor.phase = .streaming

    #expect(RunDisplay(monitor).frame(linesMax: 10).summary == "streaming: 0 changes, 0/s, committed 0/0")
  }

  @Test("the stream shows changes, lag in bytes and seconds, and the committed position")
  func stream() {
    let monitor = RunMonitor()
    monitor.phase = .streaming
    monitor.stream.committed = LSN(text: "0/1000")!
    monitor.stream.serverEnd = LSN(text: "0/2400")!

    let frame = RunDisplay(monitor).frame(linesMax: 10)

    #expect(frame.summary == "streaming: 0 changes, 0/s, lag 5 KiB and 0 s, committed 0/1000")
    #expect(frame.lines == [frame.summary])
  }

  @Test("quantities are printed for people")
  func quantities() {
    #expect([0, 999, 1000, 1_234_567, -1234].map { grouped($0) } == ["0", "999", "1,000", "1,234,567", "-1,234"])
    #expect(
      [0, 1023, 1536, 12_897_485, .max].map { binarySize($0) } == [
        "0 bytes", "1023 bytes", "1.5 KiB", "12.2 MiB", "16383.9 PiB",
      ])
    #expect([0, 59.9, 60, 200, 7500].map { roughDuration($0) } == ["0 s", "59 s", "1 min", "3 min 20 s", "2 h 5 min"])
  }
}
