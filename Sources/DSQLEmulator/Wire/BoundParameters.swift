/// The parameters of a Bind message, where they lie. Null ones are left out; a message cut short just ends.
struct BoundParameters: Sequence, IteratorProtocol {
  struct Parameter: Equatable {
    let index: Int
    let range: Range<Int>
    let isBinary: Bool
  }

  private let queue: ByteQueue
  private let end: Int
  private let formats: [Bool]
  private let count: Int
  private var offset: Int
  private var index = 0

  /// - Parameter rest: the message in the queue from its parameter formats on.
  init(_ queue: ByteQueue, _ rest: Range<Int>) {
    self.queue = queue
    end = rest.upperBound
    offset = rest.lowerBound
    func int16(_ at: Int) -> Int { at + 2 <= rest.upperBound ? Int(queue[at]) << 8 | Int(queue[at + 1]) : 0 }
    let formatCount = int16(offset)
    offset += 2
    var formats: [Bool] = []
    for _ in 0..<formatCount {
      formats.append(int16(offset) == 1)
      offset += 2
    }
    self.formats = formats
    count = int16(offset)
    offset += 2
  }

  mutating func next() -> Parameter? {
    while index < count, offset + 4 <= end {
      let length = Int(Int32(bitPattern: queue.uint32(at: offset)))
      offset += 4
      defer { index += 1 }
      if length < 0 { continue }
      guard offset + length <= end else { return nil }
      defer { offset += length }
      let isBinary = formats.count == 1 ? formats[0] : index < formats.count && formats[index]
      return Parameter(index: index, range: offset..<(offset + length), isBinary: isBinary)
    }
    return nil
  }
}
