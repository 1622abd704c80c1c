# The Makefile's demo, run and test for Windows:  powershell -File packaging\make.ps1 demo [-Seconds 40] [-NoTray]
param(
    [Parameter(Mandatory = $true)][ValidateSet("demo", "run", "test")][string]$Target,
    [int]$Seconds = 0,
    [switch]$NoTray
)
$ErrorActionPreference = "Stop"
Set-Location (Join-Path $PSScriptRoot "..")

$bin = ".venv\Scripts"
if (-not (Test-Path "$bin\python.exe")) {
    py -3 -c "import sys; sys.exit(sys.version_info < (3, 11))"
    if ($LASTEXITCODE -ne 0) { Write-Error "traymon needs Python 3.11 or newer: install it from python.org." }
    py -3 -m venv .venv
}
$extra = if ($Target -eq "test") { "test" } else { "demo" }
$stamp = ".venv\.has-$extra"
if (-not (Test-Path $stamp)) {
    Write-Output "Installing traymon and its libraries into .venv (once)."
    & "$bin\python.exe" -m pip --disable-pip-version-check --quiet install --editable ".[$extra]"
    if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
    New-Item $stamp -ItemType File | Out-Null
}
$options = @()
if ($NoTray) { $options += "--no-tray" }
if ($Seconds -gt 0) { $options += @("--seconds", $Seconds) }
switch ($Target) {
    "test" { & "$bin\python.exe" -m pytest }
    default { & "$bin\traymon.exe" $Target @options }
}
exit $LASTEXITCODE
