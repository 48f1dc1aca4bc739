package account

// Kind implements Object.
func (k *Key) Kind() Kind { return Keys }

// ObjectID implements Object.
func (k *Key) ObjectID() string { return k.Token }

// Kind implements Object.
func (t *Team) Kind() Kind { return Teams }

// ObjectID implements Object.
func (t *Team) ObjectID() string { return t.TeamID }

// Kind implements Object.
func (u *User) Kind() Kind { return Users }

// ObjectID implements Object.
func (u *User) ObjectID() string { return u.UserID }

// Kind implements Object.
func (o *Organization) Kind() Kind { return Organizations }

// ObjectID implements Object.
func (o *Organization) ObjectID() string { return o.OrganizationID }

// Kind implements Object.
func (c *Customer) Kind() Kind { return Customers }

// ObjectID implements Object.
func (c *Customer) ObjectID() string { return c.UserID }

// Kind implements Object.
func (m *TeamMember) Kind() Kind { return TeamMembers }

// ObjectID implements Object.
func (m *TeamMember) ObjectID() string { return MemberID(m.TeamID, m.UserID) }

// Kind implements Object.
func (m *OrgMember) Kind() Kind { return OrgMembers }

// ObjectID implements Object.
func (m *OrgMember) ObjectID() string { return MemberID(m.OrganizationID, m.UserID) }

// Kind implements Object.
func (b *Budget) Kind() Kind { return Budgets }

// ObjectID implements Object.
func (b *Budget) ObjectID() string { return b.BudgetID }

// Kind implements Object.
func (t *Tag) Kind() Kind { return Tags }

// ObjectID implements Object.
func (t *Tag) ObjectID() string { return t.Name }

// Kind implements Object.
func (m *StoredModel) Kind() Kind { return Models }

// ObjectID implements Object.
func (m *StoredModel) ObjectID() string { return m.ModelID }

// Kind implements Object.
func (c *Credential) Kind() Kind { return Credentials }

// ObjectID implements Object.
func (c *Credential) ObjectID() string { return c.CredentialName }

// Kind implements Object.
func (s *Setting) Kind() Kind { return Settings }

// ObjectID implements Object.
func (s *Setting) ObjectID() string { return s.ParamName }

// Kind implements Object.
func (g *AccessGroup) Kind() Kind { return AccessGroups }

// ObjectID implements Object.
func (g *AccessGroup) ObjectID() string { return g.AccessGroupID }

// Kind implements Object.
func (p *ObjectPermission) Kind() Kind { return ObjectPermissions }

// ObjectID implements Object.
func (p *ObjectPermission) ObjectID() string { return p.ObjectPermissionID }

// Kind implements Object.
func (k *RetiredKey) Kind() Kind { return RetiredKeys }

// ObjectID implements Object.
func (k *RetiredKey) ObjectID() string { return k.Token }

// Kind implements Object.
func (k *DeletedKey) Kind() Kind { return DeletedKeys }

// ObjectID implements Object.
func (k *DeletedKey) ObjectID() string { return k.ID }

// Kind implements Object.
func (t *DeletedTeam) Kind() Kind { return DeletedTeams }

// ObjectID implements Object.
func (t *DeletedTeam) ObjectID() string { return t.ID }

// Kind implements Object.
func (m *JWTKeyMapping) Kind() Kind { return JWTKeyMappings }

// ObjectID implements Object.
func (m *JWTKeyMapping) ObjectID() string { return m.ID }
