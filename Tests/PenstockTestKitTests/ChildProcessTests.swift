import Foundation
import PenstockTestKit
import Testing

@Suite struct ChildProcessTests {
  @Test("output, environment and exit status are seen") func outputAndStatus() async throws {
    let child = try ChildProcess(
      "/bin/sh", ["-c", "echo \"$KIT_WORD\"; echo oops >&2; exit 3"], environment: ["KIT_WORD": "hello"])

    #expect(try await child.wait() == .exited(3))
    #expect(child.standardOutput == "hello\n")
    #expect(child.standardError == "oops\n")
    #expect(!child.isRunning)
  }

  @Test("an empty value takes a variable away") func removedVariable() throws {
    #expect(try runCommand("/bin/sh", ["-c", "echo ${HOME-none}"], environment: ["HOME": ""]) == "none\n")
  }

  @Test("a signal reaches the program, and SIGKILL ends it") func signals() async throws {
    let polite = try ChildProcess("/bin/sh", ["-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done"])
    try await eventually("the trap to be set") { polite.standardOutput == "ready\n" }
    polite.signal(SIGTERM)
    #expect(try await polite.wait() == .exited(7))

    let stubborn = try ChildProcess("sleep", ["1000"])
    stubborn.kill()
    #expect(stubborn.status == .signalled(SIGKILL))
  }

  @Test("waiting ends at its limit while the program runs on") func timeout() async throws {
    let child = try ChildProcess("sleep", ["1000"])

    await #expect(throws: TimedOut.self) { try await child.wait(timeout: .milliseconds(50)) }
    #expect(child.isRunning)
  }

  @Test("memory and processor time are measured") func usage() async throws {
    // 64 MiB of memory, touched, and held for a moment.
    let child = try ChildProcess("/bin/sh", ["-c", "x=$(head -c 67108864 /dev/zero | tr '\\0' x); sleep 0.3"])

    try await child.wait()

    #expect(child.peakResidentBytes > 64 << 20)
    #expect(child.peakResidentBytes < 1 << 30)
    #expect(child.cpuTime > .zero)
  }

  @Test("a missing program is an error that names it") func missingProgram() {
    let failure = #expect(throws: SystemFailure.self) { try ChildProcess("/no/such/program") }

    #expect(failure?.description == "start /no/such/program: No such file or directory")
  }

  @Test("a command gets large input and gives large output") func largeStreams() throws {
    let text = String(repeating: "0123456789abcdef\n", count: 200_000)

    #expect(try runCommand("cat", [], input: text) == text)
  }

  @Test("the programs of the package lie beside the tests", arguments: [BinaryUnderTest.penstock, .dsqlEmulator])
  func binaries(binary: BinaryUnderTest) {
    #expect(access(binary.path, X_OK) == 0)
  }
}

@Suite struct SeededGeneratorTests {
  @Test("a seed repeats its numbers, which are SplitMix64's") func repeats() {
    var generator = SeededGenerator(seed: 1_234_567)

    #expect([generator.next(), generator.next()] == [6_457_827_717_110_365_317, 3_203_168_211_198_807_973])
  }
}

@Suite struct EventuallyTests {
  @Test("it returns as soon as the condition holds, and names what never came") func conditions() async throws {
    var looks = 0
    try await eventually(every: .milliseconds(1)) {
      looks += 1
      return looks == 3
    }

    #expect(looks == 3)
    let failure = await #expect(throws: TimedOut.self) {
      try await eventually(timeout: .milliseconds(5), every: .milliseconds(1), "rain") { false }
    }
    #expect(failure?.description == "waited 0.005 seconds in vain for rain")
  }

  @Test("a free port can be opened") func port() throws {
    #expect((1024...65535).contains(try freePort()))
  }
}
