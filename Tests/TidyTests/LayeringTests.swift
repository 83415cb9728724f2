import Foundation
import Testing

@Suite struct LayeringTests {
  /// Rooms without input, output, clocks or C: values in, values out.
  static let pureRooms: Set<String> = ["PenstockExtensions", "ChangeModel", "SQLMapping", "Apply"]
  /// The only rooms that may use Foundation; AWS's services and cache files speak JSON.
  static let foundationRooms: Set<String> = ["AWS", "Settings", "Operations", "Commands", "dsql-emulator"]
  /// The only rooms that may use each C library.
  static let libraryRooms: [String: Set<String>] = [
    "CLibPQ": ["Postgres", "DSQLEmulator"], "CLibYAML": ["Settings"],
    "COpenSSL": ["AWS", "DSQLEmulator", "Transforms"],
    "CCurl": ["AWS"], "CPgQuery": ["DSQLEmulator"], "CSQLite": ["Transforms"],
  ]
  /// Modules of the toolchain that every room but the pure ones may import.
  static let systemModules: Set<String> = ["Glibc", "Synchronization", "Dispatch"]

  /// The manifest's targets in order, each with its folder under `Sources` and the targets it depends on.
  static func manifest() throws -> [(name: String, folder: String, dependencies: [String])] {
    let text = try String(contentsOf: SourceTree.root.appendingPathComponent("Package.swift"), encoding: .utf8)
    let targets = text.components(separatedBy: "\n  targets: [\n").last ?? ""
    let starts = targets.matches(of: /\n    (room|tests|example|\.\w+)\(\s*(?:name: )?"([^"]+)"/)
    return starts.indices.map { index in
      let end = index + 1 < starts.count ? starts[index + 1].range.lowerBound : targets.endIndex
      let rest = targets[starts[index].range.upperBound..<end]
      let kind = starts[index].1
      let list = kind == "room" || kind == "tests" ? /\[([^\]]*)\]/ : /dependencies: \[([^\]]*)\]/
      let names = rest.firstMatch(of: list)?.1.matches(of: /"([^"]+)"/).map { String($0.1) } ?? []
      let name = String(starts[index].2)
      return (name, rest.firstMatch(of: /path: "Sources\/([^"]+)"/).map { String($0.1) } ?? name, names)
    }
  }

  @Test("a room depends only on rooms that the manifest names above it") func arrowsPointUp() throws {
    var known: Set<String> = []
    var problems: [String] = []
    for (name, _, dependencies) in try Self.manifest() {
      problems += dependencies.filter { !known.contains($0) }.map { "\(name) depends on \($0), which is below it" }
      known.insert(name)
    }

    #expect(known.isSuperset(of: Self.pureRooms.union(Self.libraryRooms.keys)))
    #expect(problems == [])
  }

  @Test("a room imports only what the manifest and its kind allow") func imports() throws {
    let manifest = try Self.manifest()
    let dependencies = Dictionary(uniqueKeysWithValues: manifest.map { ($0.folder, Set($0.dependencies)) })
    var problems: [String] = []
    for file in try SourceTree.swiftFiles(in: ["Sources"]) {
      for (module, index) in file.imports {
        if let reason = Self.objection(to: module, in: file.room, dependencies: dependencies[file.room] ?? []) {
          problems.append("\(file.place(index)): imports \(module), \(reason)")
        }
      }
    }

    #expect(problems == [])
  }

  static func objection(to module: String, in room: String, dependencies: Set<String>) -> String? {
    if pureRooms.contains(room), !pureRooms.contains(module) { return "but pure rooms import only pure rooms" }
    if let rooms = libraryRooms[module], !rooms.contains(room) { return "which belongs to \(rooms.sorted())" }
    if module.hasPrefix("Foundation") {
      return foundationRooms.contains(room) ? nil : "which only \(foundationRooms.sorted()) may use"
    }
    if systemModules.contains(module) || dependencies.contains(module) { return nil }
    return "which its target does not depend on"
  }

  @Test(
    "the rule tells good imports from bad ones",
    arguments: [
      ("SQLMapping", "ChangeModel", true), ("SQLMapping", "Glibc", false), ("Apply", "Foundation", false),
      ("FullLoad", "CLibPQ", false), ("FullLoad", "Foundation", false), ("Settings", "Foundation", true),
      ("FullLoad", "Synchronization", true), ("FullLoad", "Operations", false),
    ])
  func objections(room: String, module: String, isAllowed: Bool) {
    let reason = Self.objection(to: module, in: room, dependencies: ["ChangeModel"])

    #expect((reason == nil) == isAllowed)
  }
}
