import Glibc
package import PenstockExtensions

extension PipelineSettings {
  /// A configuration is text that a person writes; more is a wrong file.
  static let maximumFileSize = 1 << 20

  /// Reads and checks a configuration file.
  ///
  /// - Parameters:
  ///   - path: the file; messages name it as it is given here.
  ///   - environment: what `${NAME}` in values stands for.
  ///   - extensions: names that the file may use beside the built-in ones.
  /// - Throws: everything that is wrong with the file.
  package static func load(
    path: String, environment: [String: String], extensions: Extensions = Extensions()
  ) throws(SettingsProblems) -> PipelineSettings {
    let bytes: [UInt8]
    do { bytes = try readFile(path) } catch {
      throw SettingsProblems([SettingsProblem(mark: nil, path: "", message: error.message, file: shown(path))])
    }
    return try parse(bytes, file: shown(path), environment: environment, extensions: extensions)
  }

  /// Checks a configuration that is already in memory.
  /// - Parameter file: the name that messages begin with.
  package static func parse(
    _ bytes: [UInt8], file: String, environment: [String: String], extensions: Extensions = Extensions()
  ) throws(SettingsProblems) -> PipelineSettings {
    let (root, problems) = YAMLComposer.compose(bytes, file: file)
    func fail(_ message: String, _ mark: Mark?) -> SettingsProblems {
      SettingsProblems(problems + [SettingsProblem(mark: mark, path: "", message: message, file: file)])
    }
    let expected = "expected the sections \(description.settings.map(\.key).joined(separator: ", "))"
    guard let root else {
      throw problems.isEmpty ? fail("the file is empty; \(expected)", .start) : SettingsProblems(problems)
    }
    switch root.content {
    case .mapping(let entries):
      // After a syntax error there is no root, so the entries are all that the file has.
      var section = SettingsSection(
        entries, path: "", mark: .start,
        source: SettingsSource(file: file, environment: environment, extensions: extensions))
      let settings = PipelineSettings(&section)
      let all = problems + section.finished()
      if !all.isEmpty { throw SettingsProblems(all) }
      return settings
    case .reported: throw SettingsProblems(problems)
    case .scalar(let scalar) where scalar.kind == .null: throw fail("the file is empty; \(expected)", root.mark)
    default: throw fail("the file \(root.content.phrase); \(expected)", root.mark)
    }
  }

  private struct ReadFailure: Error { let message: String }

  private static func readFile(_ path: String) throws(ReadFailure) -> [UInt8] {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw ReadFailure(message: "cannot be opened: \(reason(errno))") }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      if count < 0 { throw ReadFailure(message: "cannot be read: \(reason(errno))") }
      if count == 0 { return bytes }
      bytes += buffer[..<count]
      if bytes.count > maximumFileSize {
        throw ReadFailure(message: "larger than 1 MiB; expected a configuration file")
      }
    }
  }

  private static func reason(_ code: Int32) -> String {
    var buffer = [CChar](repeating: 0, count: 256)
    return unsafe buffer.withUnsafeMutableBufferPointer { buffer in
      guard let start = buffer.baseAddress, unsafe strerror_r(code, start, buffer.count) == 0 else {
        return "error \(code)"
      }
      // SAFETY: on success the buffer holds a NUL-terminated text.
      return unsafe String(cString: start)
    }
  }
}
