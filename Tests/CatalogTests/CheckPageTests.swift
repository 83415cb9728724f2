import Foundation
import PostgresSource
import Testing

@Suite("The page about check")
struct CheckPageTests {
  @Test("docs/check.md explains every finding, and no other, in the order of the program")
  func page() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let page = try String(contentsOf: root.appendingPathComponent("docs/check.md"), encoding: .utf8)
    let named = page.matches(of: /(?m)^\| `([a-z.-]+)` \|/).map { String($0.1) }

    #expect(named == FindingID.allCases.map(\.rawValue))
  }
}
