/// Everything a running emulator can be told. Defaults are DSQL's documented values.
package struct EmulatorOptions: Sendable {
  /// Where to listen; port 0 takes a free one.
  package var listenHost = "127.0.0.1"
  package var listenPort: UInt16 = 0
  /// libpq connection string of the PostgreSQL behind.
  package var backend = ""
  /// Name of the environment variable that holds the backend's password.
  package var backendPasswordVariable: String?
  package var certificateFile = ""
  package var keyFile = ""
  /// Where to keep a certificate authority and server certificate of our own.
  package var certificateFolder: String?
  package var verifiesSignatures = false
  package var requiresSNI = true
  package var seed: UInt64 = 1
  package var faults = FaultRates()
  package var connectLatency = Duration.zero
  package var statementLatency = Duration.zero
  package var commitLatency = Duration.zero
  package var sessionAgeMax = Duration.seconds(3600)
  package var transactionAgeMax = Duration.seconds(300)
  /// How many times as fast as time the clock of ages runs.
  package var clockRate = 1.0
  package var connectRate = 100.0
  package var connectBurst = 1000.0
  package var connectionsMax = 10000
  /// How many first connections are told that the cluster is waking up.
  package var wakingConnects = 0
  /// How long an asynchronous index stays in `processing`.
  package var indexBuildTime = Duration.zero
  package var logsVerbosely = false

  package init() {}
}
