; Inno Setup: the Windows installer, made of the one-folder program:
;   iscc /DVersion=0.1.0 /DBundle=build\bundle\traymon /Odist packaging\windows\traymon.iss
; It has never been run.

#ifndef Version
  #error Version must be given: /DVersion=
#endif
#ifndef Bundle
  #error The folder that PyInstaller made must be given: /DBundle=
#endif

[Setup]
AppId={{6B0C9C1B-6B0E-4F0C-9A53-3C5A4F2E7D11}
AppName=traymon
AppVersion={#Version}
AppPublisherURL=https://github.com/traymon/traymon
; For this user alone: no administrator is needed, and traymon is nobody else's.
PrivilegesRequired=lowest
DefaultDirName={autopf}\traymon
DisableProgramGroupPage=yes
ArchitecturesAllowed=x64compatible
ArchitecturesInstallIn64BitMode=x64compatible
LicenseFile=..\..\LICENSE
OutputBaseFilename=traymon-{#Version}-windows-setup
SetupIconFile={#Bundle}\..\..\bundle-work\traymon\traymon.ico
UninstallDisplayIcon={app}\traymonw.exe
SolidCompression=yes
CloseApplications=no

[Languages]
Name: "en"; MessagesFile: "compiler:Default.isl"
Name: "ja"; MessagesFile: "compiler:Languages\Japanese.isl"

[Files]
Source: "{#Bundle}\*"; DestDir: "{app}"; Flags: recursesubdirs ignoreversion

[Icons]
Name: "{autoprograms}\traymon"; Filename: "{app}\traymonw.exe"

[Run]
Filename: "{app}\traymonw.exe"; Description: "{cm:LaunchProgram,traymon}"; Flags: nowait postinstall skipifsilent

[UninstallRun]
; Its files cannot be removed while it runs, and nothing may start at login that is not there any more.
Filename: "{app}\traymon.exe"; Parameters: "quit"; RunOnceId: "quit"; Flags: runhidden
Filename: "{app}\traymon.exe"; Parameters: "autostart off"; RunOnceId: "autostart"; Flags: runhidden

[Code]
{ An update: the program that runs keeps its files in use. }
function PrepareToInstall(var NeedsRestart: Boolean): String;
var
  ExitCode: Integer;
begin
  if FileExists(ExpandConstant('{app}\traymon.exe')) then
    Exec(ExpandConstant('{app}\traymon.exe'), 'quit', '', SW_HIDE, ewWaitUntilTerminated, ExitCode);
  Result := '';
end;
