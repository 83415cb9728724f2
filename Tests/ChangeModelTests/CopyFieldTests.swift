import ChangeModel
import Testing

@Suite("Copying short runs of bytes")
struct CopyFieldTests {
  @Test("copies so many bytes and no more, wherever they begin", arguments: 0...70)
  func copies(count: Int) {
    let source = (0..<100).map { UInt8($0 + 100) }
    for start in 0..<9 {
      var target = [UInt8](repeating: 0, count: 100)

      source.withUnsafeBytes { from in
        target.withUnsafeMutableBytes { copyField(from.baseAddress! + start, to: $0.baseAddress! + 1, count) }
      }

      #expect(target == [0] + source[start..<(start + count)] + Array(repeating: 0, count: 99 - count))
    }
  }
}
