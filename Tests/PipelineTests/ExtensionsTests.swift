import Penstock
import Testing

@Suite("Registering extensions") struct ExtensionsTests {
  private struct Policy: ErrorPolicy {}

  @Test("a name is registered once") func twice() async {
    await #expect(processExitsWith: .failure) {
      var extensions = Extensions()
      extensions.registerErrorPolicy("mine") { _ in Policy() }
      extensions.registerErrorPolicy("mine") { _ in Policy() }
    }
  }

  @Test("a built-in name stays what it is") func builtIn() async {
    await #expect(processExitsWith: .failure) {
      var extensions = Extensions()
      extensions.registerErrorPolicy("default") { _ in Policy() }
    }
  }

  @Test("a name is one that a configuration can hold without quotes") func spelling() async {
    await #expect(processExitsWith: .failure) {
      var extensions = Extensions()
      extensions.registerErrorPolicy("Mine: or not") { _ in Policy() }
    }
  }

  @Test("a policy that overrides nothing leaves every error to the table") func proposals() {
    for disposition in Disposition.allCases {
      let error = TargetError(sqlState: "23505", message: "", location: "", isConnecting: false, proposed: disposition)

      #expect(Policy().connectionError(error) == disposition)
      #expect(Policy().dataError(error) == disposition)
      #expect(Policy().schemaError(error) == disposition)
    }
  }
}
