import Foundation
import PenstockTestKit
import Synchronization
import Testing

@testable import DSQLEmulator

@Suite struct CertificateTests {
  @Test("emulators that start together in one folder use one certificate with its key")
  func together() throws {
    for _ in 0..<5 {
      let folder = try temporaryDirectory("certificates") + "/shared"
      let seen = Mutex<Set<String>>([])
      DispatchQueue.concurrentPerform(iterations: 8) { _ in
        guard let files = try? CertificateAuthority.prepare(folder: folder) else { return }
        let texts = [files.authority, files.certificate, files.key].map {
          try? String(contentsOfFile: $0, encoding: .utf8)
        }
        seen.withLock { _ = $0.insert("\(texts)") }
      }

      #expect(seen.withLock { $0.count } == 1)
      #expect(seen.withLock { $0.first?.contains("PRIVATE KEY") } == true)
    }
  }
}
