@testable import AWS
import Foundation
import PenstockTestKit
import Synchronization
import Testing

@Suite struct HTTPSessionTests {
  @Test("requests share connections, which are kept for the next ones") func keptConnections() async throws {
    let server = try HTTPServer { .init(200, $0.body) }
    let session = HTTPSession(connectionsMax: 4)

    await withTaskGroup { group in
      for worker in 0..<4 {
        group.addTask {
          for number in 0..<50 {
            let body = Array("\(worker):\(number)".utf8)
            let answer = try? await session.send(HTTPRequest(method: "POST", url: server.url + "/", body: body))
            #expect(answer?.body == body)
          }
        }
      }
    }
    #expect(server.requests.count == 200)
    #expect(server.connections <= 4)
    #expect(session.statistics == .init(requests: 200, connectionsOpened: server.connections))
  }

  @Test("no more connections are opened to a host than allowed, and the other requests wait") func bound() async throws
  {
    let server = try HTTPServer { _ in
      Thread.sleep(forTimeInterval: 0.01)
      return .init()
    }
    let session = HTTPSession(connectionsMax: 2)

    await withTaskGroup { group in
      for _ in 0..<20 {
        group.addTask { _ = try? await session.send(HTTPRequest(url: server.url + "/")) }
      }
    }
    #expect(server.requests.count == 20)
    #expect(server.connections <= 2)
  }

  @Test("many requests wait at the same time, on no thread of Swift's pool") func parallel() async throws {
    let arrived = Counter()
    // Answers only when all have come.
    let server = try HTTPServer { [count = Counter()] _ in
      count.add(1)
      while count.value < 48 { Thread.sleep(forTimeInterval: 0.005) }
      return .init()
    }
    let session = HTTPSession(connectionsMax: 64)

    await withTaskGroup { group in
      for _ in 0..<48 {
        group.addTask {
          if (try? await session.send(HTTPRequest(url: server.url + "/")))?.status == 200 {
            arrived.add(1)
          }
        }
      }
    }
    #expect(arrived.value == 48)
  }

  @Test("a cancelled task gets its answer at once, and other requests go on") func cancellation() async throws {
    let server = try HTTPServer { $0.path == "/silent" ? .silence : .init(200, "here") }
    let session = HTTPSession(connectionsMax: 4)
    var request = HTTPRequest(url: server.url + "/silent")
    request.timeout = .seconds(600)

    let waiting = Task { [request] in
      do throws(HTTPFailure) {
        _ = try await session.send(request)
        return false
      } catch { return error.isCancellation }
    }
    try await eventually("the request's arrival") { !server.requests.isEmpty }
    waiting.cancel()
    #expect(await waiting.value)
    #expect(try await session.send(HTTPRequest(url: server.url + "/")).body == Array("here".utf8))
  }

  @Test("a server that says nothing is given up at the time limit") func timeLimit() async throws {
    let server = try HTTPServer { _ in .silence }
    var request = HTTPRequest(url: server.url + "/")
    request.timeout = .milliseconds(100)

    let (session, sent) = (HTTPSession(connectionsMax: 1), request)
    let failure = await #expect(throws: HTTPFailure.self) { try await session.send(sent) }
    #expect(failure?.isAbsence == true)
  }

  @Test("an answer larger than allowed is refused") func answerBound() async throws {
    let server = try HTTPServer { _ in .init(200, String(repeating: "x", count: (1 << 20) + 1)) }
    let session = HTTPSession(connectionsMax: 1)
    var request = HTTPRequest(url: server.url + "/")

    let small = request
    let failure = await #expect(throws: HTTPFailure.self) { try await session.send(small) }
    #expect(failure?.reason == "the answer is larger than 1 MiB")
    request.answerBytesMax = 2 << 20
    #expect(try await session.send(request).body.count == (1 << 20) + 1)
  }

  @Test("the answer's headers come with it, their names in lower case") func headers() async throws {
    let server = try HTTPServer { _ in .init(404, "", headers: ["X-Amz-Crc32": "7", "X-Empty": ""]) }

    let answer = try await HTTPSession(connectionsMax: 1).send(HTTPRequest(url: server.url + "/"))
    #expect(answer.status == 404)
    #expect(answer.headers["x-amz-crc32"] == "7")
    #expect(answer.headers["x-empty"] == "")
  }

  @Test("a connection that was cut is a failure, and the next request has a new one") func cut() async throws {
    let server = try HTTPServer { $0.path == "/cut" ? .cut : .init() }
    let session = HTTPSession(connectionsMax: 1)

    await #expect(throws: HTTPFailure.self) { try await session.send(HTTPRequest(url: server.url + "/cut")) }
    #expect(try await session.send(HTTPRequest(url: server.url + "/")).status == 200)
  }
}

/// A number that threads count up.
final class Counter: Sendable {
  private let number = Atomic(0)

  func add(_ count: Int) { number.add(count, ordering: .relaxed) }
  var value: Int { number.load(ordering: .relaxed) }
}

@Suite struct CRC32Tests {
  @Test("the checksum is that of gzip") func known() {
    #expect(CRC32.checksum(Array("123456789".utf8)) == 0xCBF4_3926)
    #expect(CRC32.checksum([]) == 0)
  }

  @Test("eight bytes at a time give what bit by bit gives, at every length") func lengths() {
    var random = SeededGenerator()
    for length in 0..<64 {
      let bytes = (0..<length).map { _ in UInt8.random(in: .min ... .max, using: &random) }
      let expected = ~bytes.reduce(UInt32.max) { sum, byte in
        (0..<8).reduce(sum ^ UInt32(byte)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
      }
      #expect(CRC32.checksum(bytes) == expected)
    }
  }
}
