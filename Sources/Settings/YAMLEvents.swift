private import CLibYAML

/// What stopped the YAML reader, in libyaml's words, and where.
struct YAMLSyntaxError: Error, Hashable {
  var message: String
  var mark: Mark?
}

/// One step of a YAML text: the part of libyaml's event that the settings need.
struct YAMLEvent: Hashable {
  enum Kind: Hashable {
    case streamStart, streamEnd, documentStart, documentEnd, sequenceStart, sequenceEnd, mappingStart, mappingEnd
    case alias
    case scalar(String, isPlain: Bool)
  }

  var kind: Kind
  /// Where it begins.
  var mark: Mark
  var hasAnchor = false
  var hasTag = false
}

/// Reads YAML 1.1 events from bytes through libyaml. Owns the parser and a copy of the bytes; both go in `deinit`.
@safe struct YAMLEvents: ~Copyable {
  // SAFETY: libyaml keeps pointers to the parser itself and to the input, so both live at fixed addresses until deinit.
  private let parser: UnsafeMutablePointer<yaml_parser_t>
  private let input: UnsafeMutableBufferPointer<UInt8>

  init(_ bytes: [UInt8]) throws(YAMLSyntaxError) {
    unsafe parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
    unsafe parser.initialize(to: yaml_parser_t())
    unsafe input = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: max(1, bytes.count))
    _ = unsafe input.initialize(from: bytes)
    guard unsafe yaml_parser_initialize(parser) == 1 else { throw YAMLSyntaxError(message: "out of memory", mark: nil) }
    unsafe yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
    unsafe yaml_parser_set_input_string(parser, input.baseAddress, bytes.count)
  }

  deinit {
    unsafe yaml_parser_delete(parser)
    unsafe parser.deallocate()
    unsafe input.deallocate()
  }

  /// The next event. Not to be called again after `streamEnd` or an error.
  mutating func next() throws(YAMLSyntaxError) -> YAMLEvent {
    var event = unsafe yaml_event_t()
    guard unsafe yaml_parser_parse(parser, &event) == 1 else { throw unsafe Self.error(parser.pointee) }
    defer { unsafe yaml_event_delete(&event) }
    return unsafe Self.translated(event)
  }

  private static func translated(_ event: yaml_event_t) -> YAMLEvent {
    let mark = unsafe Mark(event.start_mark)
    switch unsafe event.type {
    case YAML_STREAM_START_EVENT: return YAMLEvent(kind: .streamStart, mark: mark)
    case YAML_DOCUMENT_START_EVENT: return YAMLEvent(kind: .documentStart, mark: mark)
    case YAML_DOCUMENT_END_EVENT: return YAMLEvent(kind: .documentEnd, mark: mark)
    case YAML_ALIAS_EVENT: return YAMLEvent(kind: .alias, mark: mark)
    case YAML_SCALAR_EVENT:
      let scalar = unsafe event.data.scalar
      // SAFETY: libyaml owns `length` bytes at `value` until the event is deleted; they are copied here.
      let bytes = unsafe UnsafeBufferPointer(start: scalar.value, count: scalar.length)
      let text = unsafe String(decoding: bytes, as: UTF8.self)
      let isPlain = unsafe scalar.style == YAML_PLAIN_SCALAR_STYLE
      return unsafe YAMLEvent(
        kind: .scalar(text, isPlain: isPlain), mark: mark, hasAnchor: scalar.anchor != nil, hasTag: scalar.tag != nil)
    case YAML_SEQUENCE_START_EVENT:
      let start = unsafe event.data.sequence_start
      return unsafe YAMLEvent(
        kind: .sequenceStart, mark: mark, hasAnchor: start.anchor != nil, hasTag: start.tag != nil)
    case YAML_SEQUENCE_END_EVENT: return YAMLEvent(kind: .sequenceEnd, mark: mark)
    case YAML_MAPPING_START_EVENT:
      let start = unsafe event.data.mapping_start
      return unsafe YAMLEvent(
        kind: .mappingStart, mark: mark, hasAnchor: start.anchor != nil, hasTag: start.tag != nil)
    case YAML_MAPPING_END_EVENT: return YAMLEvent(kind: .mappingEnd, mark: mark)
    default: return YAMLEvent(kind: .streamEnd, mark: mark)
    }
  }

  private static func error(_ parser: yaml_parser_t) -> YAMLSyntaxError {
    let problem = unsafe parser.problem.map { unsafe String(cString: $0) } ?? "not valid YAML"
    let context = unsafe parser.context.map { unsafe String(cString: $0) }
    // The reader's own errors (memory, encoding) carry no mark.
    let hasMark = unsafe parser.error == YAML_SCANNER_ERROR || parser.error == YAML_PARSER_ERROR
    return unsafe YAMLSyntaxError(
      message: context.map { "\($0): \(problem)" } ?? problem, mark: hasMark ? Mark(parser.problem_mark) : nil)
  }
}

extension Mark {
  fileprivate init(_ mark: yaml_mark_t) {
    // libyaml counts from 0; a file is bounded, so the sums fit.
    self.init(line: Int(mark.line) + 1, column: Int(mark.column) + 1)
  }
}
